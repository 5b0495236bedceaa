"""A local run finds its three partitions, or makes them of the sample."""

from pathlib import Path

import pytest

from targets.run_command import find_partitions, simulate_sample
from yt8m.errors import InputError

SAMPLE = Path(__file__).parents[2] / "sample"


def make(root: Path, *files: str) -> str:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return str(root)


def test_folders_and_names_of_shards_are_both_found(tmp_path: Path) -> None:
    folders = make(tmp_path / "a", "train/x.tfrecord", "validate/y.tfrecord", "test/z.tfrecord")
    assert find_partitions(folders) == {name: f"{folders}/{name}" for name in ("train", "validate", "test")}
    flat = make(tmp_path / "b", "train00.tfrecord", "trainzz.tfrecord", "validate00.tfrecord", "test00.tfrecord")
    assert find_partitions(flat)["train"] == f"{flat}/train*.tfrecord"
    mixed = make(tmp_path / "c", "train/x.tfrecord", "validate00.tfrecord", "test/z.tfrecord")
    assert find_partitions(mixed)["validate"] == f"{mixed}/validate*.tfrecord"


def test_what_is_missing_is_named_with_both_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_partitions(str(tmp_path / "none"))
    source = make(tmp_path / "a", "train/x.tfrecord", "test/z.tfrecord")
    with pytest.raises(InputError, match=r"neither a folder validate nor a file validate\*\.tfrecord"):
        find_partitions(source)
    make(tmp_path / "a", "validate/notes.txt")
    with pytest.raises(InputError, match="validate: the folder holds no"):
        find_partitions(source)


def test_the_sample_becomes_frame_level_records_once(tmp_path: Path) -> None:
    folders = simulate_sample(SAMPLE, tmp_path / "frames", 2)
    shards = {path: path.stat().st_mtime_ns for path in (tmp_path / "frames").glob("*/*.tfrecord")}
    assert {path.parent.name for path in shards} == set(folders)
    assert all("-simulated" in path.name for path in shards)
    assert find_partitions(str(tmp_path / "frames")) == folders
    assert simulate_sample(SAMPLE, tmp_path / "frames", 2) == folders
    assert all(path.stat().st_mtime_ns == written for path, written in shards.items())
