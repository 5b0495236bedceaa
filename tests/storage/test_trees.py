"""Folders and copies, local and on gs://; files that only one of several may create."""

import errno
import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from yt8m import storage
from yt8m.errors import InputError, WriteConflict


@pytest.fixture(params=["local", "gs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "root")
    request.getfixturevalue("gcs")
    return "gs://bucket/root"


def test_a_tree_is_listed_by_relative_names(root: str) -> None:
    assert storage.list_tree(root) == {}
    for name in ("b.json", "deep/er/c", "a", "deep/.partial-x"):
        storage.write_text(storage.join(root, *name.split("/")), name)
    found = storage.list_tree(root)
    assert list(found) == ["a", "b.json", "deep/er/c"]
    assert [file.size for file in found.values()] == [1, 6, 9]
    assert [storage.read_bytes(file.path).decode() for file in found.values()] == ["a", "b.json", "deep/er/c"]
    assert list(storage.list_tree(storage.join(root, "deep"))) == ["er/c"]


def test_a_bucket_that_is_not_there_is_not_an_empty_tree(gcs: Any) -> None:
    with pytest.raises(InputError, match="gs://absent/x: no such object or bucket"):
        storage.list_tree("gs://absent/x")


@pytest.mark.parametrize("source", ["local", "gs"])
def test_a_copy_has_the_checksum_of_its_source(root: str, source: str, gcs: Any, tmp_path: Path) -> None:
    data = os.urandom(5_000_000)
    (tmp_path / "made").write_bytes(data)
    address = str(tmp_path / "made")
    if source == "gs":
        storage.copy_file(address, "gs://bucket/made")
        address = "gs://bucket/made"
    target = storage.join(root, "deep", "copy")
    storage.copy_file(address, target)
    assert storage.read_bytes(target) == data
    assert storage.file_crc32c(target) == storage.file_crc32c(address) == storage.file_crc32c(tmp_path / "made")


def test_the_checksum_is_crc32c(tmp_path: Path) -> None:
    (tmp_path / "check").write_bytes(b"123456789")
    assert storage.file_crc32c(tmp_path / "check") == "e3069283"


def test_of_many_threads_one_creates_and_the_others_are_told(root: str) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait(30)
        try:
            storage.create_json(storage.join(root, "x.json"), {"by": number})
            outcomes.append(f"created by {number}")
        except WriteConflict:
            outcomes.append("told")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("told") == 7
    (winner,) = set(outcomes) - {"told"}
    assert winner == f"created by {storage.read_json(storage.join(root, 'x.json'))['by']}"
    assert list(storage.list_tree(root)) == ["x.json"]


def _create(path: str, number: int) -> bool:
    try:
        storage.create_json(path, {"by": number})
    except WriteConflict:
        return False
    return True


def test_of_many_processes_one_creates(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "x.json")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        created = pool.starmap(_create, [(path, number) for number in range(20)], chunksize=1)
    assert sum(created) == 1
    assert storage.read_json(path) == {"by": created.index(True)}
    assert os.listdir(tmp_path / "new") == ["x.json"]


def test_an_answer_that_was_lost_is_no_conflict_with_oneself(gcs: Any) -> None:
    gcs.fault("lost", "POST", "upload", count=1)
    storage.create_json("gs://bucket/x.json", 1)
    with pytest.raises(WriteConflict):
        storage.create_json("gs://bucket/x.json", 2)
    assert storage.read_json("gs://bucket/x.json") == 1


def test_a_file_system_without_hard_links_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(InputError, match=r"x\.json: this file system has no hard links"):
        storage.create_json(tmp_path / "x.json", 1)
    assert os.listdir(tmp_path) == []


def test_a_listing_beside_writers_at_work_never_fails(tmp_path: Path) -> None:
    """A writer's file vanishes under its first name the moment that it is whole."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            storage.write_text(tmp_path / "history" / "1.json", "{}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2000):
            assert set(storage.list_tree(str(tmp_path))) <= {"history/1.json"}
    finally:
        stop.set()
        writer.join()
