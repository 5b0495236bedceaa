"""What containers of a run see: what its arguments name, what links lead to, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from targets.docker_runner import mounts_for


def mounted(arguments: Any, *writable: Path) -> dict[str, bool]:
    """Path -> whether it can be written to."""
    mounts = mounts_for(arguments, [str(path) for path in writable])
    assert all(mount["Source"] == mount["Target"] and mount["Type"] == "bind" for mount in mounts)
    assert len({mount["Target"] for mount in mounts}) == len(mounts)
    return {mount["Target"]: not mount["ReadOnly"] for mount in mounts}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train", "elsewhere", "disk", "out"):
        (tmp_path / name).mkdir()
    for name in ("train/a.tfrecord", "disk/b.tfrecord", "vocabulary.csv"):
        (tmp_path / name).touch()
    return tmp_path


def test_folders_files_and_globs_at_any_depth_can_be_read(folder: Path) -> None:
    arguments = {
        "source": str(folder / "train"), "glob": f"{folder}/disk/*.tfrecord", "work": str(folder / "out"), "seed": 3,
        "candidates": [{"preset": str(folder / "vocabulary.csv")}], "recipe": "all", "bucket": "gs://bucket/train",
        "relative": "train", "nowhere": "/no/such/place", "empty": "",
    }  # fmt: skip
    assert mounted(arguments, folder / "out") == {
        str(folder / "out"): True,
        str(folder / "train"): False,
        str(folder / "disk"): False,
        str(folder / "vocabulary.csv"): False,
    }


def test_links_lead_to_what_they_name_through_other_links(folder: Path) -> None:
    (folder / "train" / "b.tfrecord").symlink_to("../elsewhere/b.tfrecord")
    (folder / "elsewhere" / "b.tfrecord").symlink_to(folder / "disk" / "b.tfrecord")
    (folder / "train" / "gone.tfrecord").symlink_to("/no/such/place/gone.tfrecord")
    assert mounted({"source": str(folder / "train")}) == {
        str(folder / name): False for name in ("train", "elsewhere", "disk")
    }


def test_the_root_is_never_mounted() -> None:
    assert mounted({"source": "/", "glob": "/*.tfrecord"}) == {}
