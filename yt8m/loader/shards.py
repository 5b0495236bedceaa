"""The shards of an index, checked against it and read at any place by any number of threads."""

import os
from typing import Protocol

import numpy as np

from yt8m import storage
from yt8m.errors import InputError
from yt8m.loader.files import MAX_OPEN, OpenFiles
from yt8m.records.tfrecord import HEADER_BYTES, OVERHEAD, FramingError, read_length
from yt8m.records.video_index import VideoIndex

REMEDY = "name the folder of the shards with --source, or make the index again with `yt8m index`"


class Shards(Protocol):
    """Random access to the shards of an index, wherever they are.

    Attributes:
        paths: the path or address of each shard of the index.
    """

    paths: list[str]

    def read_into(self, number: int, offset: int, memory: np.ndarray) -> int:
        """Fill `memory` (uint8 [n]) from byte `offset` of a shard; returns the bytes read, below n at its end.

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

    def __init__(self, index: VideoIndex, root: str, max_open: int = MAX_OPEN):
        self.paths = [storage.join(root, shard.name) for shard in index.shards]
        for number in np.unique(index.shard_numbers):
            _check_size(self.paths[number], index.shards[number].size)
        self.files = OpenFiles(max_open)

    def read_into(self, number: int, offset: int, memory: np.ndarray) -> int:
        """As `Shards.read_into`."""
        return self.files.read_into(self.paths[number], offset, memory)

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


def _check_size(path: str, size: int) -> None:
    try:
        found = os.stat(path).st_size
    except OSError as error:
        raise InputError(f"{path}: the index needs this shard ({error.strerror}); {REMEDY}") from error
    if found != size:
        raise InputError(f"{path}: the shard has {found:,} bytes and had {size:,} when it was indexed; {REMEDY}")
