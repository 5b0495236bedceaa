"""The shards of an index as objects on gs://, checked against it, and read by ranges."""

import os
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from yt8m import storage
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader.shards import REMEDY, LocalShards, Shards
from yt8m.storage import FileInfo

THREADS = 16
MOST_ANNOUNCED = 512


def find_objects(index: VideoIndex, root: str) -> list[FileInfo]:
    """The object of each shard that rows of the index lie in, as it is now; the others by address and size alone.

    The generation that a listing finds is pinned from then on: an object that is replaced while it is read is noticed
    and never mixed with what it was. Content is compared by the CRC32C that an index of objects keeps, so that a copy
    in another bucket serves as well.

    Raises:
        InputError: an object is missing, or not what it was when it was indexed.
    """
    found = [FileInfo(storage.join(root, shard.name), shard.size) for shard in index.shards]
    needed = np.unique(index.shard_numbers).tolist()
    folders = {os.path.dirname(found[number].path) for number in needed}
    present = {file.path: file for folder in folders for file in storage.list_files(storage.join(folder, "*"))}
    indexed = index.extra.get("objects") or [[None, None]] * len(found)
    for number in needed:
        found[number] = _check(present.get(found[number].path), found[number], indexed[number][1])
    return found


def _check(present: FileInfo | None, indexed: FileInfo, crc32c: str | None) -> FileInfo:
    if present is None:
        raise InputError(f"{indexed.path}: the index needs this shard, there is no such object; {REMEDY}")
    if present.size != indexed.size:
        raise InputError(f"{present.path}: the shard has {present.size:,} bytes and had {indexed.size:,} when it was "
                         f"indexed; {REMEDY}")  # fmt: skip
    if crc32c and present.crc32c != crc32c:
        raise InputError(f"{present.path}: the object was replaced since it was indexed (its CRC32C is "
                         f"{present.crc32c}, was {crc32c}); {REMEDY}")  # fmt: skip
    return present


class RemoteShards:
    """Random access to objects, by a ranged read each; those announced are fetched ahead by threads.

    For whoever reads in an order of his own. Training and prediction stage their shards instead (`staging.py`).

    Args:
        objects: of `find_objects`, by the numbers of the shards.
    """

    in_pieces = False

    def __init__(self, objects: list[FileInfo]):
        self.paths = [one.path for one in objects]
        self.objects = objects
        self._pool: ThreadPoolExecutor | None = None
        self._announced: OrderedDict[tuple[int, int, int], list[Future[bytes]]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def read_into(self, number: int, offset: int, *memory: np.ndarray) -> int:
        """As `Shards.read_into`."""
        wanted, done = sum(map(len, memory)), 0
        ahead = self._take((number, offset, wanted))
        data = np.frombuffer(ahead.result() if ahead else self._read(number, offset, wanted), np.uint8)
        for part in memory:
            piece = data[done : done + len(part)]
            part[: len(piece)] = piece
            done += len(piece)
        return done

    def announce(self, number: int, offset: int, length: int) -> None:
        """As `Shards.announce`; of more announcements than are kept the oldest are forgotten."""
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(THREADS, "yt8m-ranges")
            self._announced.setdefault((number, offset, length), []).append(
                self._pool.submit(self._read, number, offset, length)
            )
            self._count += 1
            if self._count > MOST_ANNOUNCED:
                self._forget(next(iter(self._announced))).cancel()

    def _take(self, key: tuple[int, int, int]) -> Future[bytes] | None:
        with self._lock:
            return self._forget(key) if key in self._announced else None

    def _forget(self, key: tuple[int, int, int]) -> Future[bytes]:
        futures = self._announced[key]
        future = futures.pop(0)
        self._count -= 1
        if not futures:
            del self._announced[key]
        return future

    def _read(self, number: int, offset: int, length: int) -> bytes:
        one = self.objects[number]
        count = min(length, one.size - offset)
        return storage.read_range(one.path, offset, count, one.generation) if count > 0 else b""


def root_of(index: VideoIndex, source: str | None) -> str:
    """The folder or gs:// address that the shards' names are relative to: the source, or else the index's own.

    Raises:
        InputError: the index has labels alone.
    """
    if index.level == "labels":
        raise InputError("the index holds labels alone, no records; make one of the shards with `yt8m index`")
    return source or index.source_root


def open_shards(index: VideoIndex, source: str | None = None) -> Shards:
    """The shards that rows of an index lie in, on this machine or on gs://.

    Raises:
        InputError: the index has labels alone; a shard is missing or not what it was when it was indexed.
    """
    root = root_of(index, source)
    return RemoteShards(find_objects(index, root)) if storage.is_remote(root) else LocalShards(index, root)
