"""Scratch space: a folder of bounded size with whole shards and pieces of shards from gs://.

What lies there under a shard's name is complete: a download gets its name when its CRC32C is verified. The name holds
the object's generation, so another content is another file. A folder that the user names keeps whole shards for the
next run, which compares their CRC32C before it uses them; a temporary folder goes with its user. A lock on a file in
the folder (the system drops it with the process) keeps two users apart, and tells the temporary folders of the dead,
which are removed, from those of the living.
"""

import errno
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np

from yt8m import storage
from yt8m.errors import InputError
from yt8m.loader.plan import Extents, whole
from yt8m.loader.shards import OpenFiles
from yt8m.storage import PARTIAL, FileInfo

GB = 10**9
DEFAULT_BYTES = 64 * GB
SPARE_BYTES = 1 * GB
READ_BYTES = 16 << 20
LOCK = ".lock"
TEMPORARY, KIND = "yt8m-scratch-", "scratch-"
OWN = "yt8m-shards"


class Piece:
    """Stretches of a shard in one file of the scratch folder, one after the other.

    Attributes:
        shard: its number in the index.
        path: of the file.
        extents: the stretches.
        size: bytes of the file.
        is_whole: whether it is all of the shard.
        pins: windows that need it; it is not removed while there are any.
        asked_for: whether somebody fetches it, or has.
        is_there: whether it has come.
    """

    def __init__(self, shard: int, path: str, extents: Extents, is_whole: bool):
        self.shard, self.path, self.extents, self.is_whole = shard, path, extents, is_whole
        lengths = extents.ends - extents.starts
        self._positions = np.cumsum(lengths) - lengths
        self.size, self.pins, self.asked_for, self.is_there = int(lengths.sum()), 0, False, False

    def covers(self, records: Extents) -> np.ndarray:
        """Whether each record lies in it: bool [n]."""
        place = np.searchsorted(self.extents.starts, records.starts, side="right") - 1
        return np.asarray((place >= 0) & (records.ends <= self.extents.ends[np.maximum(place, 0)]))

    def position(self, offset: int, length: int) -> int | None:
        """Where bytes of the shard stand in the file; None when it does not hold all of them."""
        place = int(np.searchsorted(self.extents.starts, offset, side="right")) - 1
        if place < 0 or offset + length > self.extents.ends[place]:
            return None
        return int(offset - self.extents.starts[place] + self._positions[place])


class Scratch:
    """Pieces of shards in a folder, never more than so many bytes. Not for several threads, but for `fetch`.

    Args:
        objects: the shards, by their numbers in the index.
        folder: gets a folder for the shards, and keeps it; None for a temporary one.
        max_bytes: the most bytes it may hold; by default 64 GB, or half of what is free on the disk if that is less.

    Attributes:
        folder: where the pieces lie.
        is_temporary: whether that is removed in the end.
        files: their readers.
        max_bytes: the bound; below the one that was asked for where the disk has less than that free.
        used: bytes of all pieces, those in the making included, and of what an earlier run left.
        pieces: of each shard, by its number.
    """

    def __init__(self, objects: list[FileInfo], folder: str | None = None, max_bytes: int | None = None):
        self.files, self._objects, self._made = OpenFiles(), objects, 0
        lock, self.folder, self.is_temporary = _claim(folder)
        self._lock: int | None = lock
        leftovers = _clean(self.folder)
        self.used, self.pieces = sum(leftovers.values()), dict[int, list[Piece]]()
        free = shutil.disk_usage(self.folder).free + self.used
        self.max_bytes = min(max_bytes or min(DEFAULT_BYTES, free // 2), max(free - SPARE_BYTES, 0))
        self._adopt(leftovers)
        self._leftovers = leftovers

    def __iter__(self) -> Iterator[Piece]:
        for pieces in self.pieces.values():
            yield from pieces

    def add(self, shard: int, extents: Extents) -> Piece:
        """A new piece of a shard, to be fetched; there must be room for it."""
        is_whole = extents.size == self._objects[shard].size
        if is_whole:
            for piece in [piece for piece in self.pieces.get(shard, []) if not piece.pins]:
                self.remove(piece)
        self._made += 1
        name = self._name(shard) if is_whole else f"{PARTIAL}{self._made}"
        return self._register(Piece(shard, str(self.folder / name), extents, is_whole))

    def remove(self, piece: Piece) -> None:
        """Delete a piece that nobody needs now."""
        self.files.forget(piece.path)
        Path(piece.path).unlink(missing_ok=True)
        self.pieces[piece.shard].remove(piece)
        self.used -= piece.size

    def remove_leftovers(self, size: int) -> None:
        """Delete what is of no use to this run, until there is room for so many bytes."""
        while self._leftovers and self.used + size > self.max_bytes:
            path, freed = self._leftovers.popitem()
            path.unlink(missing_ok=True)
            self.used -= freed

    def fetch(self, piece: Piece, given_up: threading.Event) -> int:
        """Bring a piece from its object; returns the bytes that came over the network. For any thread.

        Raises:
            InputError: the object is gone or was replaced, the network or the disk fails.
        """
        path, one = Path(piece.path), self._objects[piece.shard]
        try:
            if not piece.is_whole:
                return _fetch_ranges(piece, one, given_up)
            if path.exists() and _is_intact(path, one):
                return 0
            storage.stage(one.path, self.folder, name=path.name, generation=one.generation, given_up=given_up)
            return piece.size
        except OSError as error:
            remedy = "name another folder or less space" if error.errno == errno.ENOSPC else "check the disk"
            raise InputError(f"{self.folder}: scratch space cannot be written ({error.strerror}); {remedy}") from error

    def close(self) -> None:
        """Leave whole shards in a folder that the user named, and nothing else; a second call does nothing."""
        if self._lock is None:
            return
        for piece in [piece for piece in self if not (piece.is_whole and (piece.is_there or not piece.asked_for))]:
            self.remove(piece)
        if self.is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def _adopt(self, leftovers: dict[Path, int]) -> None:
        """Make pieces of the shards that an earlier run left, and take them off the list."""
        for shard, one in enumerate(self._objects):
            path = self.folder / self._name(shard)
            if one.generation is not None and leftovers.get(path) == one.size:
                self.used -= leftovers.pop(path)
                self._register(Piece(shard, str(path), whole(one.size), is_whole=True))

    def _register(self, piece: Piece) -> Piece:
        self.pieces.setdefault(piece.shard, []).append(piece)
        self.used += piece.size
        return piece

    def _name(self, shard: int) -> str:
        one = self._objects[shard]
        return f"{google_crc32c.value(one.path.encode()):08x}-{one.generation}-{os.path.basename(one.path)}"


def _fetch_ranges(piece: Piece, one: FileInfo, given_up: threading.Event) -> int:
    with open(piece.path, "wb") as file:
        for start, end in zip(*(column.tolist() for column in piece.extents), strict=True):
            if given_up.is_set():
                return 0
            storage.copy_range(one.path, file, start, end - start, one.generation, given_up)
    return piece.size


def _is_intact(path: Path, one: FileInfo) -> bool:
    checksum = google_crc32c.Checksum()
    with open(path, "rb") as file:
        while block := file.read(READ_BYTES):
            checksum.update(block)
    return checksum.hexdigest().decode() == one.crc32c


def _claim(folder: str | None) -> tuple[int, Path, bool]:
    """A lock, the folder for its holder alone, and whether that is temporary: one beside a folder in use is."""
    if folder is not None:
        own = Path(folder) / OWN
        own.mkdir(parents=True, exist_ok=True)
        lock = _try_lock(own / LOCK)
        if lock is not None:
            return lock, own, False
    _remove_dead(Path(folder or tempfile.gettempdir()))
    storage.clear_scratch(Path(folder) if folder else None)  # of those that died before they had a lock
    made = Path(tempfile.mkdtemp(prefix=storage.scratch_prefix(KIND), dir=folder))
    unfinished = made / f"{LOCK}-new"  # locked before it has its name: no moment to be taken for dead
    lock = _try_lock(unfinished)
    assert lock is not None
    unfinished.rename(made / LOCK)
    return lock, made, True


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_dead(parent: Path) -> None:
    """Remove the temporary folders of processes that were killed."""
    for lock_file in parent.glob(f"{TEMPORARY}*/{LOCK}"):
        try:
            lock = _try_lock(lock_file)
        except OSError:
            continue  # somebody else's
        if lock is not None:
            shutil.rmtree(lock_file.parent, ignore_errors=True)
            os.close(lock)


def _clean(folder: Path) -> dict[Path, int]:
    """The whole shards that an earlier run left, with their sizes; what it left unfinished is removed."""
    for path in folder.glob(f"{PARTIAL}*"):
        path.unlink(missing_ok=True)
    return {path: path.stat().st_size for path in folder.iterdir() if not path.name.startswith(LOCK)}
