"""A walk over a shard from record to record that reads little of each, and survives damage when asked to.

The reads overlap: one read takes the stored CRC of a record, the header of the next one and the head of its payload.
When a header is damaged, the record before it is checked too (its length may lie, or bytes may have been inserted
into it or cut from it), and the walk goes on at the next byte where a whole record with matching CRCs stands. The
bytes between are accounted for as one `Damage`, so that good and damaged bytes always add up to the file.
"""

import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple

import numpy as np

from yt8m.data.records.head import HEAD_BYTES
from yt8m.data.records.tfrecord import (
    FOOTER_BYTES,
    HEADER_BYTES,
    OVERHEAD,
    PAYLOAD_PROBLEM,
    FramingError,
    file_kind,
    masked_crc32c,
    read_footer,
    read_length,
)
from yt8m.errors import RecordError

ReadAt = Callable[[int, int], bytes]
"""(offset, count) -> that many bytes of the shard, fewer at its end."""

SEARCH_BYTES = 1 << 20
READ_AHEAD_BYTES = 1 << 18
NEAR_BYTES = 1 << 14
_WINDOW = HEADER_BYTES + HEAD_BYTES


class Step(NamedTuple):
    """A record of a walk: where its header is, its payload's length, its stored CRC, and its first bytes."""

    record: int
    offset: int
    length: int
    stored_crc: int
    head: bytes


class Damage(NamedTuple):
    """A stretch of a shard that holds no readable record."""

    record: int
    offset: int
    size: int
    problem: str


class FileReader:
    """Reads a local file at offsets; reads ahead while these are near each other (small records)."""

    def __init__(self, path: str):
        self._descriptor = os.open(path, os.O_RDONLY)
        self._start, self._block = 0, b""

    def __call__(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset` on."""
        begin = offset - self._start
        if begin >= 0 and begin + count <= len(self._block):
            return self._block[begin : begin + count]
        near = 0 <= begin <= len(self._block) + NEAR_BYTES
        block = os.pread(self._descriptor, max(count, READ_AHEAD_BYTES) if near else count, offset)
        self._start, self._block = offset, block
        return block[:count]

    def __enter__(self) -> "FileReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


class Walk:
    """Iterates over the records of a shard as `Step`s.

    Args:
        name: the shard's path, for errors.
        read: reads bytes of it at an offset.
        size: its size in bytes.
        skip: whether to step over damage, collecting it in `damages`; otherwise the first one raises RecordError.
    """

    def __init__(self, name: str, read: ReadAt, size: int, *, skip: bool = False):
        self.damages: list[Damage] = []
        self._name, self._read, self._size, self._skip = name, read, size, skip
        self._record = 0

    def __iter__(self) -> Iterator[Step]:
        offset, block = 0, self._read(0, _WINDOW)
        length, problem = self._look(offset, block)
        while offset < self._size:
            if problem:
                offset, block = self._step_over(offset, problem)
                length, problem = self._look(offset, block)
                continue
            end = offset + OVERHEAD + length
            tail = self._read(end - FOOTER_BYTES, FOOTER_BYTES + _WINDOW)
            next_length, next_problem = self._look(end, tail[FOOTER_BYTES:])
            if next_problem and not is_intact(self._read, offset, length):
                problem = PAYLOAD_PROBLEM
                continue
            head = block[HEADER_BYTES : HEADER_BYTES + min(length, HEAD_BYTES)]
            yield Step(self._record, offset, length, read_footer(tail), head)
            self._record += 1
            offset, block, length, problem = end, tail[FOOTER_BYTES:], next_length, next_problem

    def _look(self, offset: int, block: bytes) -> tuple[int, str]:
        """The length by the header at `offset` (the block starts there), or what is wrong with it."""
        if offset >= self._size:
            return 0, ""
        try:
            return read_length(block, 0, self._size - offset), ""
        except FramingError as error:
            kind = file_kind(block) if offset == 0 else None
            if kind and not self._skip:
                raise RecordError(self._name, 0, 0, *kind) from None
            return 0, "; ".join(kind) if kind else str(error)

    def _step_over(self, offset: int, problem: str) -> tuple[int, bytes]:
        if not self._skip:
            raise RecordError(self._name, self._record, offset, problem)
        end = find_record(self._read, self._size, offset + 1)
        self.damages.append(Damage(self._record, offset, end - offset, problem))
        self._record += 1
        return end, self._read(end, _WINDOW)


def is_intact(read: ReadAt, offset: int, length: int) -> bool:
    """Whether the payload of the record at `offset` has the CRC32C that is stored behind it."""
    data = read(offset + HEADER_BYTES, length + FOOTER_BYTES)
    return len(data) == length + FOOTER_BYTES and masked_crc32c(data[:length]) == read_footer(data, length)


def find_record(read: ReadAt, size: int, start: int) -> int:
    """The first byte from `start` on where a whole record with matching CRCs stands; `size` when there is none."""
    for base in range(start, size, SEARCH_BYTES):
        block = read(base, SEARCH_BYTES + HEADER_BYTES - 1)
        for position in _candidates(block):
            try:
                length = read_length(block, position, size - base - position)
            except FramingError:
                continue
            if is_intact(read, base + position, length):
                return base + position
    return size


def _candidates(block: bytes) -> list[int]:
    """Positions that may be a header: a length from 1 to 4 GiB, that is, four zero bytes above a number."""
    data = np.frombuffer(block, np.uint8)
    count = max(len(data) - HEADER_BYTES + 1, 0)
    low = data[:count] | data[1 : count + 1] | data[2 : count + 2] | data[3 : count + 3]
    high = data[4 : count + 4] | data[5 : count + 5] | data[6 : count + 6] | data[7 : count + 7]
    return np.flatnonzero((low != 0) & (high == 0)).tolist()
