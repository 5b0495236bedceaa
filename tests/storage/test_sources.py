"""What people name as a source, and what is said when it is none."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.data.records.made import SAMPLE
from yt8m.cli import main
from yt8m.data.records.build import build_index, find_shards
from yt8m.errors import InputError
from yt8m.storage import is_remote, list_files, read_json, require_file, write_json

SHARD = (SAMPLE / "validate" / "validate0050.tfrecord").read_bytes()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("s3://b/x", "s3://b/x: only local paths and gs:// addresses are read and written; copy the files, or mount"),
        ("hdfs:///data/x", "hdfs://data/x: only local paths .* mount the store"),
        ("az://b/x", "az://b/x: only"),
        ("file:///data/x", "write /data/x"),
        ("https://data.yt8m.org/x.tfrecord", "download it first .*`yt8m download`"),
        ("HTTP://data.yt8m.org/x", "http://data.yt8m.org/x: only"),
        ("gs:/bucket/x", "write gs://bucket/x"),
        (Path("s3://b/x"), "s3://b/x: only"),
    ],
)
def test_an_address_of_another_store_is_refused_by_its_name(tmp_path: Path, path: Any, says: str) -> None:
    for use in (is_remote, require_file, read_json, lambda name: list_files(str(name)), partial(write_json, value=1)):
        with pytest.raises(InputError, match=says):
            use(path)


def test_commands_refuse_it_for_what_they_read_and_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    index = tmp_path / "i.parquet"
    build_index([str(SAMPLE / "validate")], index)
    for arguments in (
        ["index", "s3://b/x", "-o", "i"],
        ["index", str(SAMPLE / "validate"), "-o", "s3://b/i.parquet"],
        ["statistics", "s3://b/i.parquet", "-o", "out"],
        ["statistics", str(index), "-o", "s3://b/out"],
        ["rebalance", str(index), "--recipe", "all", "-o", "s3://b/t.parquet"],
        ["rebalance", str(index), "--recipe", "s3://b/recipe.yaml", "-o", "t.parquet"],
        ["validate", str(index), "--vocabulary", "s3://b/vocabulary.csv", "-o", "out"],
        ["validate", str(index), "--source", "s3://b/validate", "-o", "out"],
        ["export", "s3://b/t.parquet", "--shards", "1", "-o", "out"],
        ["evaluate", "s3://b/p.parquet", "-o", "out"],
        ["simulate", "s3://b/x", "-o", "out"],
        ["simulate", str(SAMPLE / "validate"), "-o", "s3://b/out"],
        ["submission", "s3://b/p.parquet", "-o", "s.csv"],
    ):
        assert main(arguments) == 2, arguments
        (line,) = capsys.readouterr().err.splitlines()
        assert "s3://b/" in line, arguments
        assert "only local paths and gs:// addresses are read and written" in line, arguments
    assert sorted(os.listdir(tmp_path)) == ["i.parquet"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["train0000.tfrecords", "train0001.tfrecords"], "such as train0000.tfr.*/train*.tfrecords'"),
        (["a-00000-of-00010"], "such as a-00000-of-00010 by a pattern between quotes: '.*/a-*-of-*'"),
        (["a.tfrecord-00000-of-00010"], "/a.tfrecord-*-of-*'"),
        (["a.TFRecord"], "/a.TFRecord'"),
        (["a.tfrecord.gz", "README"], "unpack its 1 files such as a.tfrecord.gz"),
        (["README"], "name the folder of the shards"),
        ([".partial-a.tfrecord"], "name the folder of the shards"),
    ],
)  # fmt: skip
def test_a_folder_of_shards_with_other_names_says_how_to_name_them(
    tmp_path: Path, names: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(SHARD)
    assert main(["index", str(tmp_path), "-o", str(tmp_path / "i")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    at = 0
    for part in says.split(".*"):
        at = line.index(part, at) + len(part)
    if "'" in line:
        pattern = line.split("'")[1]
        assert len(find_shards([pattern])) == len(names), "the remedy works"
        assert main(["index", pattern, "-o", str(tmp_path / "i")]) == 0


def test_objects_with_other_names_are_named_too(gcs: Any) -> None:
    write_json("gs://bucket/a/train-00000-of-00002", 1)
    with pytest.raises(InputError, match=r"by a pattern between quotes: 'gs://bucket/a/train-\*-of-\*'"):
        list_files("gs://bucket/a")
    write_json("gs://bucket/.partial-b/a.tfrecord", 1)
    assert len(list_files("gs://bucket/.partial-b")) == 1


def test_a_folder_may_be_called_anything_a_leftover_is_no_shard(tmp_path: Path) -> None:
    folder = tmp_path / "my.partial-data"
    folder.mkdir()
    (folder / "a.tfrecord").write_bytes(SHARD)
    (folder / ".partial-b.tfrecord").write_bytes(SHARD)
    assert build_index([str(folder)], tmp_path / "i.parquet")["videos"] == 284
    with pytest.raises(InputError, match="what a command that was killed left; name whole files"):
        list_files(str(folder / ".partial-b.tfrecord"))


def test_a_name_that_is_not_text_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.fsencode(tmp_path / "data")
    os.mkdir(folder)
    Path(os.fsdecode(folder + b"/a\xff.tfrecord")).write_bytes(SHARD)
    for command in ("index", "simulate"):
        assert main([command, os.fsdecode(folder), "-o", str(tmp_path / "out")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "a\\udcff.tfrecord: the name is not UTF-8 text" in line
