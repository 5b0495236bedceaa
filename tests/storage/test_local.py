"""Output appears whole or not at all; listings are clear about what is not there."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from yt8m import storage
from yt8m.errors import InputError


def test_a_listing_of_a_folder_is_sorted_and_leaves_partial_files_out(tmp_path: Path) -> None:
    for name in ("b.tfrecord", "a.tfrecord", "notes.txt", f"{storage.PARTIAL}c.tfrecord"):
        (tmp_path / name).write_bytes(b"1234")
    files = storage.list_files(str(tmp_path))
    assert [Path(file.path).name for file in files] == ["a.tfrecord", "b.tfrecord"]
    assert files[0].size == 4
    assert storage.list_files(str(tmp_path / "*.tfrecord")) == files
    assert storage.list_files(str(tmp_path / "a.tfrecord")) == files[:1]


def test_a_folder_with_wildcard_letters_in_its_name_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run[1]"
    folder.mkdir()
    (folder / "a.tfrecord").touch()
    assert len(storage.list_files(str(folder))) == 1


@pytest.mark.parametrize(
    ("source", "says"), [("", "holds no"), ("missing", "no such file"), ("*.nothing", "no file matches")]
)
def test_nothing_to_list_is_an_error(tmp_path: Path, source: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        storage.list_files(os.path.join(str(tmp_path), source))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.bin"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), storage.atomic_file(target) as temporary:
        temporary.write_text("new, but only ha")
        raise RuntimeError("half way")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.bin"]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    storage.write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_directory_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with storage.atomic_directory(tmp_path / "model") as folder:
            (folder / content).write_text(content)
    assert os.listdir(tmp_path) == ["model"]
    assert os.listdir(tmp_path / "model") == ["second"]


def test_a_failed_directory_leaves_the_old_one(tmp_path: Path) -> None:
    with storage.atomic_directory(tmp_path / "model") as folder:
        (folder / "old").touch()
    with pytest.raises(OSError, match="disk"), storage.atomic_directory(tmp_path / "model") as folder:
        (folder / "new").touch()
        raise OSError("disk full")
    assert os.listdir(tmp_path) == ["model"]
    assert os.listdir(tmp_path / "model") == ["old"]


WRITE_FOR_EVER = """
import sys
from yt8m import storage
while True:
    storage.write_json(sys.argv[1], list(range(5000)))
"""


def test_a_killed_writer_never_shows_a_part(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    for delay in (0.02, 0.05, 0.09):
        target.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(target)])
        while not target.exists():
            assert writer.poll() is None
            time.sleep(0.005)
        time.sleep(delay)
        writer.kill()
        writer.wait()
        assert json.loads(target.read_text()) == list(range(5000))


def test_json_refuses_nan_and_reading_rubbish_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.write_json(tmp_path / "a.json", {"gap": float("nan")})
    assert os.listdir(tmp_path) == []
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(InputError, match=r"b\.json: not a JSON file"):
        storage.read_json(tmp_path / "b.json")


def test_whether_a_file_is_in_the_page_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = tmp_path / "shard"
    shard.write_bytes(bytes(1 << 20))
    shard.read_bytes()
    try:
        with open(shard, "rb") as file:
            os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
    except OSError:
        pytest.skip("this file system does not tell")
    assert storage.is_cached(str(shard), 1 << 19)
    assert not storage.is_cached(str(tmp_path / "none"), 0)
    monkeypatch.delattr(os, "RWF_NOWAIT")
    assert not storage.is_cached(str(shard), 1 << 19)


def test_the_sources_that_tensorflow_left_are_cleared_after_a_day(tmp_path: Path) -> None:
    for name, age in (("old", 90_000), ("of_a_process_at_work", 60)):
        path = tmp_path / f"__autograph_generated_file{name}.py"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    storage.clear_scratch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["__autograph_generated_fileof_a_process_at_work.py"]


def test_a_failure_that_quotes_another_full_disk_is_left_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="/elsewhere"), storage.scratch_folder():
        raise RuntimeError("a step failed: [Errno 30] Read-only file system: '/elsewhere'")


def test_a_library_that_quotes_a_full_disk_below_a_temporary_folder_names_it() -> None:
    with pytest.raises(OSError, match="No space left on device") as error, storage.scratch_folder() as folder:
        raise RuntimeError(f"{folder}/weights: No space left on device")
    assert error.value.filename == str(folder)
