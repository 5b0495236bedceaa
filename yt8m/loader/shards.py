"""The shards of an index, checked against it and read at any place by any number of threads."""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from yt8m import storage
from yt8m.data.records.features import FeatureError, decode_context
from yt8m.data.records.tfrecord import FOOTER_BYTES, HEADER_BYTES, OVERHEAD, FramingError, read_footer, read_length
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError

MAX_OPEN = 512


class _OpenFile:
    """A descriptor that is closed when the last thread that reads from it lets go."""

    def __init__(self, path: str):
        try:
            self.descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check the shard") from error

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class OpenFiles:
    """Files by path, opened when they are read and kept open as long as there is room.

    Reads are `pread` calls into the caller's memory: they give up the interpreter lock, so threads keep a disk busy,
    and a shard that shrinks meanwhile is an error to report. A memory map measures 5 % faster on a warm cache, holds
    the lock at each page fault, and kills the process when the file shrinks.

    Args:
        max_open: descriptors to keep; the one used longest ago is closed first.
    """

    def __init__(self, max_open: int = MAX_OPEN):
        self._max_open = max_open
        self._open: OrderedDict[str, _OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def read_into(self, path: str, offset: int, *memory: np.ndarray) -> int:
        """Fill memory (uint8 [n] each) from byte `offset` of a file; returns the bytes read, fewer at its end.

        Raises:
            InputError: the disk or the system refuses.
        """
        file, wanted = self._file(path), sum(map(len, memory))
        try:
            done = os.preadv(file.descriptor, [part.data for part in memory], offset)
            while done < wanted:  # a signal came, or the file ends
                read = os.preadv(file.descriptor, _behind(memory, done), offset + done)
                if not read:
                    break
                done += read
        except OSError as error:
            raise InputError(f"{path}: cannot be read at byte {offset:,} ({error.strerror}); "
                             "check the disk and fetch the shard again") from error  # fmt: skip
        return done

    def announce(self, path: str, offset: int, length: int) -> None:
        """Let the disk fetch bytes that will be read soon, unless the first of them is in memory already."""
        file = self._file(path)
        try:
            # Asking costs 1 us, announcing 10 us even for bytes that are in memory.
            os.preadv(file.descriptor, [bytearray(1)], offset, os.RWF_NOWAIT)
        except OSError:
            os.posix_fadvise(file.descriptor, offset, length, os.POSIX_FADV_WILLNEED)

    def forget(self, path: str) -> None:
        """Close a file that is going to be deleted."""
        with self._lock:
            self._open.pop(path, None)

    def _file(self, path: str) -> _OpenFile:
        with self._lock:
            file = self._open.pop(path, None) or _OpenFile(path)
            self._open[path] = file
            if len(self._open) > self._max_open:
                self._open.popitem(last=False)
            return file


def _behind(memory: Sequence[np.ndarray], done: int) -> list[memoryview]:
    """What is left of stretches of memory behind so many bytes."""
    left = []
    for part in memory:
        left.append(part[min(done, len(part)) :].data)
        done = max(done - len(part), 0)
    return left


REMEDY = "name the folder of the shards with --source, or make the index again with `yt8m index`"


class Shards(Protocol):
    """Random access to the shards of an index, wherever they are.

    Attributes:
        paths: the path or address of each shard of the index.
        in_pieces: whether several small reads of a record cost less than a large one.
    """

    paths: list[str]
    in_pieces: bool

    def read_into(self, number: int, offset: int, *memory: np.ndarray) -> int:
        """Fill memory (uint8 [n] each) from byte `offset` of a shard; returns the bytes read, fewer at its end.

        Raises:
            InputError: the disk, the network or the system refuses.
        """

    def announce(self, number: int, offset: int, length: int) -> None:
        """Let bytes be fetched that are going to be read soon."""


class LocalShards:
    """Shards in a folder of this machine (a mounted volume is one).

    Args:
        index: its rows say which shards are needed.
        root: the folder that the shards' names are relative to.
        max_open: descriptors to keep.

    Raises:
        InputError: a shard is missing, or has not the size that it had when it was indexed.
    """

    in_pieces = True

    def __init__(self, index: VideoIndex, root: str, max_open: int = MAX_OPEN):
        self.paths = [storage.join(root, shard.name) for shard in index.shards]
        for number in np.unique(index.shard_numbers):
            _check_size(self.paths[number], index.shards[number].size)
        self.files = OpenFiles(max_open)

    def read_into(self, number: int, offset: int, *memory: np.ndarray) -> int:
        """As `Shards.read_into`."""
        return self.files.read_into(self.paths[number], offset, *memory)

    def announce(self, number: int, offset: int, length: int) -> None:
        """As `Shards.announce`."""
        self.files.announce(self.paths[number], offset, length)


def record_number(shards: Shards, number: int, offset: int, size: int) -> int:
    """How many records of a shard of `size` bytes lie before a byte, as far as their headers can be followed."""
    record, position, header = 0, 0, np.empty(HEADER_BYTES, np.uint8)
    while position < offset:
        done = shards.read_into(number, position, header)
        try:
            position += read_length(header[:done].data, 0, size - position) + OVERHEAD
        except FramingError:
            break
        record += 1
    return record


def check_unchanged(index: VideoIndex, row: int, framed: memoryview, path: str) -> None:
    """Whether an undamaged record is the one that was indexed at a row, by the CRC32C that is stored behind it.

    Args:
        index: the index; one without checksums can tell records of other videos only.
        row: of the index.
        framed: the record with its header and footer.
        path: of the shard, for the error.

    Raises:
        InputError: it is another record.
        FeatureError: it cannot be decoded, and the index cannot tell whether it was changed.
    """
    place = f"{path}: the record at byte {index.offsets[row]}"
    stored = read_footer(framed, HEADER_BYTES + int(index.lengths[row]))
    if index.checksums is not None and index.checksums[row] == stored:
        return
    expected = bytes(index.video_ids[row])
    try:
        found = decode_context(framed[HEADER_BYTES:-FOOTER_BYTES]).video_id
    except FeatureError:
        if index.checksums is None:
            raise
        found = expected
    if found != expected:
        raise InputError(f"{place} is of video {found.decode()}, of {expected.decode()} by the index; {REMEDY}")
    if index.checksums is not None:
        raise InputError(f"{place}, of video {found.decode()}, was changed since it was indexed; {REMEDY}")


def _check_size(path: str, size: int) -> None:
    try:
        found = os.stat(path).st_size
    except OSError as error:
        raise InputError(f"{path}: the index needs this shard ({error.strerror}); {REMEDY}") from error
    if found != size:
        raise InputError(f"{path}: the shard has {found:,} bytes and had {size:,} when it was indexed; {REMEDY}")
