"""Export: the framed bytes unchanged, in a reproducible order, whole shards only, resumable."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.kills import kill_at_random_moments
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.records.build import build_index
from yt8m.data.records.tfrecord import RecordWriter, iterate
from yt8m.errors import InputError, RecordError
from yt8m.loader.export import export
from yt8m.storage import read_json

SAMPLE = Path(__file__).parents[2] / "sample" / "train"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real shards, their index, and training sets of one and of two phases."""
    folder = tmp_path_factory.mktemp("source")
    for shard in sorted(SAMPLE.glob("*.tfrecord"))[:2]:
        shutil.copy(shard, folder)
    build_index([str(folder)], folder / "index.parquet")
    for recipe in ("hard-x3", "rare-then-all"):
        build_training_set(folder / "index.parquet", recipe, folder / f"{recipe}.parquet")
    return folder


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it takes a process a core, and each beside the first takes a while to start."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


def records_of(folder: Path) -> Counter[bytes]:
    return Counter(bytes(payload) for shard in folder.glob("*.tfrecord") for _, payload in iterate(shard))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}


def test_each_record_appears_as_often_as_the_training_set_says(source: Path, tmp_path: Path) -> None:
    result = export(source / "hard-x3.parquet", tmp_path, shards=3, workers=2)
    before = records_of(source)
    after = records_of(tmp_path)
    assert after.keys() == before.keys()
    assert set(after.values()) == {1, 3}
    assert result["records"] == sum(after.values())
    assert sorted(os.listdir(tmp_path)) == ["export.json", *(f"train000{n}.tfrecord" for n in range(3))]
    assert result["bytes"] == sum(path.stat().st_size for path in tmp_path.glob("*.tfrecord"))


def test_same_seed_same_bytes_whatever_the_processes(source: Path, tmp_path: Path) -> None:
    for name, workers, seed in (("a", 1, 0), ("b", 2, 0), ("c", 2, 1)):
        export(source / "hard-x3.parquet", tmp_path / name, shards=4, workers=workers, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")
    assert records_of(tmp_path / "a") == records_of(tmp_path / "c")


def test_a_finished_export_is_left_alone(source: Path, tmp_path: Path) -> None:
    export(source / "hard-x3.parquet", tmp_path, shards=2)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    result = export(source / "hard-x3.parquet", tmp_path, shards=2)
    assert (result["written"], result["kept"]) == (0, 2)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def test_a_lost_shard_is_written_again(source: Path, tmp_path: Path) -> None:
    export(source / "hard-x3.parquet", tmp_path, shards=3)
    before = contents(tmp_path)
    (tmp_path / "train0001.tfrecord").unlink()
    assert export(source / "hard-x3.parquet", tmp_path, shards=3)["written"] == 1
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shards": 3}, "holds another export .shards 2, now 3"),
        ({"shards": 2, "seed": 5}, "holds another export .seed 0, now 5"),
    ],
)
def test_a_folder_of_another_export_is_refused(source: Path, tmp_path: Path, change: dict, says: str) -> None:
    export(source / "hard-x3.parquet", tmp_path, shards=2)
    with pytest.raises(InputError, match=says):
        export(source / "hard-x3.parquet", tmp_path, **change)


def test_wrong_arguments_are_one_line(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 2 phases; choose one with --phase: 0 "):
        export(source / "rare-then-all.parquet", tmp_path, shards=2)
    with pytest.raises(InputError, match="--phase 2"):
        export(source / "rare-then-all.parquet", tmp_path, shards=2, phase=2)
    with pytest.raises(InputError, match="--shards 0: choose 1 to"):
        export(source / "hard-x3.parquet", tmp_path, shards=0)
    with pytest.raises(InputError, match="--seed -1: it can be 0 to"):
        export(source / "hard-x3.parquet", tmp_path, shards=2, seed=-1)
    for prefix in ("", "a/b", "../a", ".hidden"):
        with pytest.raises(InputError, match="--prefix"):
            export(source / "hard-x3.parquet", tmp_path, shards=2, prefix=prefix)
    assert not os.listdir(tmp_path)
    (tmp_path / "mine.tfrecord").touch()
    with pytest.raises(InputError, match=r"holds mine\.tfrecord, which is not of this export"):
        export(source / "hard-x3.parquet", tmp_path, shards=2)


def test_a_phase_of_several(source: Path, tmp_path: Path) -> None:
    rare = export(source / "rare-then-all.parquet", tmp_path / "rare", shards=2, phase=0)
    everything = export(source / "rare-then-all.parquet", tmp_path / "all", shards=2, phase=1)
    assert 0 < rare["records"] < everything["records"]
    assert records_of(tmp_path / "all") == records_of(source)


def damaged_copy(source: Path, folder: Path) -> tuple[Path, int, int]:
    """The source with one bit changed in the payload of one record; its number and byte."""
    shutil.copytree(source, folder)
    path = sorted(folder.glob("*.tfrecord"))[0]
    offset, payload = list(iterate(path))[7]
    content = bytearray(path.read_bytes())
    content[offset + 12 + len(payload) // 2] ^= 1
    path.write_bytes(content)
    return path, 7, offset


def test_a_damaged_record_stops_and_is_named(source: Path, tmp_path: Path) -> None:
    path, record, offset = damaged_copy(source, tmp_path / "damaged")
    with pytest.raises(RecordError) as error:
        export(source / "hard-x3.parquet", tmp_path / "out", shards=2, source=str(path.parent))
    assert f"{path}: record {record} at byte {offset}: the record is damaged" in str(error.value)


def test_or_is_left_out_and_listed(source: Path, tmp_path: Path) -> None:
    path, record, offset = damaged_copy(source, tmp_path / "damaged")
    arguments = {"shards": 2, "source": str(path.parent), "skip_bad_records": True}
    result = export(source / "hard-x3.parquet", tmp_path / "out", **arguments)
    assert {(e["file"], e["record"], e["offset"]) for e in result["skipped"]} == {(str(path), record, offset)}
    assert sum(records_of(tmp_path / "out").values()) == result["records"]
    whole = export(source / "hard-x3.parquet", tmp_path / "whole", shards=2)
    assert result["records"] + len(result["skipped"]) == whole["records"]
    assert not list((tmp_path / "out").glob(".partial*"))


def test_a_changed_source_is_noticed(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "changed")
    shard = sorted((tmp_path / "changed").glob("*.tfrecord"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"bytes and had .* when it was indexed"):
        export(source / "hard-x3.parquet", tmp_path / "out", shards=2, source=str(shard.parent))


def test_a_record_that_was_replaced_by_one_of_the_same_size_is_noticed(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "changed")
    shard = sorted((tmp_path / "changed").glob("*.tfrecord"))[0]
    payloads = [bytearray(payload) for _, payload in iterate(shard)]
    payloads[3][-1] ^= 1
    with RecordWriter(shard) as writer:
        for payload in payloads:
            writer.write(bytes(payload))
    with pytest.raises(InputError, match=r"was changed since it was indexed"):
        export(source / "hard-x3.parquet", tmp_path / "out", shards=2, source=str(shard.parent), skip_bad_records=True)


def test_what_was_left_out_stays_listed_when_a_lost_shard_is_written_again(source: Path, tmp_path: Path) -> None:
    path, _, _ = damaged_copy(source, tmp_path / "damaged")
    arguments = {"shards": 8, "source": str(path.parent), "skip_bad_records": True}
    first = export(source / "hard-x3.parquet", tmp_path / "out", **arguments)
    for lost in sorted((tmp_path / "out").glob("*.tfrecord")):
        lost.unlink()
        again = export(source / "hard-x3.parquet", tmp_path / "out", **arguments)
        assert (again["written"], again["kept"]) == (1, 7)
        assert (again["skipped"], again["records"]) == (first["skipped"], first["records"])


def test_killed_at_random_moments_it_ends_with_the_same_bytes_and_lists(
    source: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    damaged, _, _ = damaged_copy(source, tmp_path / "damaged")
    options = ["--shards", "40", "--workers", "2", "--source", str(damaged.parent), "--skip-bad-records", "-o"]
    command = ["export", str(source / "hard-x3.parquet"), *options]
    folder, straight = tmp_path / "killed", tmp_path / "straight"
    arguments = {"shards": 40, "source": str(damaged.parent), "skip_bad_records": True}
    assert export(source / "hard-x3.parquet", straight, **arguments)["skipped"]
    wanted = contents(straight)

    def look() -> None:
        assert contents(folder).items() <= wanted.items()

    for was_killed in kill_at_random_moments(
        [*command, str(folder)], [*command, str(tmp_path / "timed")], pytestconfig.getoption("--kills"), look
    ):
        if not was_killed:
            assert contents(folder) == wanted
            assert sorted(os.listdir(folder)) == sorted([*wanted, "export.json"])
            assert read_json(folder / "export.json") == read_json(straight / "export.json")
            shutil.rmtree(folder)


def test_the_writing_processes_end_with_the_one_that_exports(source: Path, tmp_path: Path) -> None:
    command = [
        "export",
        str(source / "hard-x3.parquet"),
        "--shards",
        "500",
        "--workers",
        "3",
        "-o",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen([sys.executable, "-m", "yt8m", *command], stderr=subprocess.DEVNULL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(started := children.read_text().split()) < 3:  # two that write, and what looks after their semaphores
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [child for child in started if Path(f"/proc/{child}").exists()] == []
