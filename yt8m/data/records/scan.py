"""The scan of one shard: what the index keeps of each record, and what was wrong with the others."""

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import google_crc32c
import numpy as np

from yt8m.data.records.bulk_scan import Columns, read_regular
from yt8m.data.records.features import FeatureError, Level
from yt8m.data.records.head import Head, read_head, read_whole
from yt8m.data.records.tfrecord import (
    EMPTY,
    FOOTER_BYTES,
    HEADER_BYTES,
    MAX_LENGTH,
    OVERHEAD,
    PAYLOAD_PROBLEM,
    masked_crc32c,
)
from yt8m.data.records.walk import FileReader, ReadAt, Step, Walk
from yt8m.errors import InputError, RecordError
from yt8m.storage import is_remote, read_range

FINGERPRINT_ENTRY = np.dtype([("length", "<u8"), ("stored_crc", "<u4")])


@dataclass(frozen=True, eq=False, kw_only=True)
class ShardScan(Columns):
    """The records of a shard.

    Attributes:
        path, size: of the shard.
        fingerprint: CRC32C over (length uint64, stored CRC uint32) of each good record, 8 hexadecimal digits.
        level: `frame` or `video`; None when no record is good.
        skipped: `{file, record, offset, bytes, problem}` of each stretch that was left out.
    """

    path: str
    size: int
    fingerprint: str
    level: Level | None
    skipped: list[dict[str, Any]]

    @classmethod
    def of(cls, columns: Columns, path: str, size: int, level: Level | None, skipped: list[dict[str, Any]]) -> Self:
        """The scan that found these columns."""
        fingerprint = shard_fingerprint(columns.lengths, columns.checksums)
        return cls(**vars(columns), path=path, size=size, fingerprint=fingerprint, level=level, skipped=skipped)


def scan_shard(
    path: str, size: int, generation: int | None = None, *, verify: bool = False, skip_bad_records: bool = False
) -> ShardScan:
    """Scan a shard of `size` bytes (a local file or a gs:// object of that generation), reading about 1 KB a record.

    A regular frame-level shard on disk is read by `read_regular`; any other record by record.

    The CRC32C of each length is always checked, that of a payload whenever all of it is read: at video level, and
    everywhere with `verify`.

    Raises:
        RecordError: at the first bad record, with file, record and byte, unless `skip_bad_records`.
        InputError: the file cannot be read.
    """
    try:
        regular = None if verify or is_remote(path) else read_regular(path, size)
        if regular:
            return ShardScan.of(regular, path, size, "frame", [])
        with ObjectReader(path, size, generation, everything=verify) if is_remote(path) else FileReader(path) as read:
            return _Scan(path, read, size, verify, skip_bad_records).run()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file") from error


class _Scan:
    def __init__(self, path: str, read: ReadAt, size: int, verify: bool, skip: bool):
        self.path, self.read, self.size, self.verify, self.skip = path, read, size, verify, skip
        self.level: Level | None = None
        self.skipped: list[dict[str, Any]] = []

    def run(self) -> ShardScan:
        if self.size == 0:
            self._refuse(0, 0, 0, *EMPTY)
        walk = Walk(self.path, self.read, self.size, skip=self.skip)
        ids: list[bytes] = []
        numbers, labels = array("q"), array("i")
        for step in walk:
            head = self._head(step)
            if head:
                ids.append(head.context.video_id)
                labels.frombytes(head.context.labels.tobytes())
                count = len(head.context.labels)
                numbers.extend((step.offset, step.length, step.stored_crc, head.num_frames, count, head.layout))
        for damage in walk.damages:
            self._refuse(damage.record, damage.offset, damage.size, damage.problem)
        columns = np.array(numbers, np.int64).reshape(-1, 6).T
        self.skipped.sort(key=lambda entry: entry["offset"])
        found = Columns(
            np.array(ids, np.bytes_), columns[0], columns[1], columns[3], columns[2].astype(np.uint32),
            np.array(labels, np.int32), columns[4], columns[5].astype(np.int8),
        )  # fmt: skip
        return ShardScan.of(found, self.path, self.size, self.level, self.skipped)

    def _head(self, step: Step) -> Head | None:
        """What the record says, or None when it is bad and bad ones are skipped."""
        try:
            if step.length > MAX_LENGTH:
                raise FeatureError(f"it is {step.length:,} bytes long, more than a record can be")
            head = None if self.verify or len(step.head) == step.length else read_head(step.head, step.length)
            head = head or self._whole(step)
            self.level = self.level or head.level
            if head.level != self.level:
                raise FeatureError(f"it is {head.level} level, the records before it are {self.level} level")
        except FeatureError as error:
            self._refuse(step.record, step.offset, step.length + OVERHEAD, str(error), error.remedy)
            return None
        return head

    def _whole(self, step: Step) -> Head:
        data = self.read(step.offset + HEADER_BYTES, step.length + FOOTER_BYTES)
        payload = data[: step.length]
        if masked_crc32c(payload) != step.stored_crc:
            raise FeatureError(PAYLOAD_PROBLEM)
        return read_whole(payload)

    def _refuse(self, record: int, offset: int, size: int, problem: str, remedy: str | None = None) -> None:
        if not self.skip:
            raise RecordError(self.path, record, offset, problem, remedy)
        entry = {"file": self.path, "record": record, "offset": offset, "bytes": size, "problem": problem}
        self.skipped.append(entry)


def shard_fingerprint(lengths: np.ndarray, stored_crcs: np.ndarray) -> str:
    """CRC32C over the (length uint64, stored payload CRC uint32) of records in order; 8 hexadecimal digits."""
    entries = np.empty(len(lengths), FINGERPRINT_ENTRY)
    entries["length"], entries["stored_crc"] = lengths, stored_crcs
    return f"{google_crc32c.value(entries.tobytes()):08x}"


BLOCK_BYTES = 4 << 20
BLOCKS_KEPT = 2
NEAR_BYTES = 1 << 14


class ObjectReader:
    """Reads an object; a context manager like `walk.FileReader`.

    Reads that follow each other within 16 KB (video-level records are 5 KB), and all reads with `everything`, are
    served from blocks of 4 MB, each fetched once; others are requests of their own (a frame-level record takes 250 KB,
    of which an index needs 1 KB).

    Args:
        address: of the object.
        size: of it in bytes.
        generation: of it, if no other will do.
        everything: whether all of it is going to be read.
    """

    def __init__(self, address: str, size: int, generation: int | None = None, *, everything: bool = False):
        self._address, self._size, self._generation, self._everything = address, size, generation, everything
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._reached = -NEAR_BYTES - 1

    def __call__(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset` on."""
        end = min(offset + count, self._size)
        near = abs(offset - self._reached) <= NEAR_BYTES
        self._reached = end
        if offset >= end:
            return b""
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if self._everything or near or all(block in self._blocks for block in range(first, last + 1)):
            data = b"".join(self._block(block) for block in range(first, last + 1))
            return data[offset - first * BLOCK_BYTES : end - first * BLOCK_BYTES]
        return read_range(self._address, offset, end - offset, self._generation)

    def _block(self, block: int) -> bytes:
        if block not in self._blocks:
            start = block * BLOCK_BYTES
            size = min(BLOCK_BYTES, self._size - start)
            self._blocks[block] = read_range(self._address, start, size, self._generation)
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(block)
        return self._blocks[block]

    def __enter__(self) -> "ObjectReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open."""
