"""The fingerprint of a source follows its shards' names, sizes and content, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from yt8m.data.records import listing
from yt8m.data.records.listing import fingerprint_source
from yt8m.errors import InputError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(3):
        (folder / f"train{number}.tfrecord").write_bytes(bytes([number]) * 1000)
    return folder


def test_a_copy_elsewhere_with_other_times_is_the_same_source(source: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(source, tmp_path / "elsewhere")
    for file in copy.iterdir():
        os.utime(file, (1, 1))
    assert fingerprint_source(str(copy)) == fingerprint_source(str(source))
    assert fingerprint_source(str(copy / "*.tfrecord")) == fingerprint_source(str(source))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "train3.tfrecord").write_bytes(b"new"),
        lambda folder: (folder / "train2.tfrecord").unlink(),
        lambda folder: (folder / "train2.tfrecord").rename(folder / "train9.tfrecord"),
        lambda folder: (folder / "train1.tfrecord").write_bytes(b"\1" * 999),
        lambda folder: (folder / "train1.tfrecord").write_bytes(b"\1" * 500 + b"\2" + b"\1" * 499),
    ],
    ids=["added", "removed", "renamed", "shortened", "one byte"],
)
def test_any_change_of_the_shards_changes_it(source: Path, change) -> None:  # type: ignore[no-untyped-def]
    before = fingerprint_source(str(source))
    change(source)
    assert fingerprint_source(str(source)) != before


def test_other_files_do_not_count(source: Path) -> None:
    before = fingerprint_source(str(source))
    (source / "notes.txt").write_text("x")
    assert fingerprint_source(str(source)) == before


def test_of_a_large_file_blocks_from_the_first_byte_to_the_last_count(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "WHOLE", 100)
    monkeypatch.setattr(listing, "BLOCK", 8)
    file = source / "train1.tfrecord"
    before = fingerprint_source(str(source))
    for position in (0, 999, 530):
        data = bytearray(b"\1" * 1000)
        data[position] = 7
        file.write_bytes(data)
        assert fingerprint_source(str(source)) != before, position


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        fingerprint_source(str(tmp_path))
