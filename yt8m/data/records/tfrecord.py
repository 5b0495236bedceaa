"""TFRecord framing: uint64 length, masked CRC32C of it, payload, masked CRC32C of the payload; all little-endian.

Reference: the format notes in tensorflow/core/lib/io/record_writer.h. The mask is a rotation by 15 bits plus a
constant, so that a CRC over data that holds CRCs stays meaningful.

It is ours because TensorFlow's reader goes through a file from its beginning and names no record: here single records
are read where the index says they lie, and a bad one is named by number and byte.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from crc32c import crc32c

from yt8m.data.records.wire import Buffer
from yt8m.errors import FETCH, RecordError
from yt8m.storage import StrPath, require_file

HEADER_BYTES = 12
FOOTER_BYTES = 4
OVERHEAD = HEADER_BYTES + FOOTER_BYTES
MAX_LENGTH = np.iinfo(np.int32).max
"""Bytes of the longest record that is read."""
LENGTH_PROBLEM = "the record's length is damaged (its CRC32C does not match)"
PAYLOAD_PROBLEM = "the record is damaged (its CRC32C does not match)"
EMPTY = "the file is empty", FETCH
_TAKES = "TFRecord files are read as they are, without compression"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "is gzip-compressed", f"unpack it with `gunzip` (which wants a name that ends in .gz); {_TAKES}"),
    (b"\x28\xb5\x2f\xfd", "is zstd-compressed", f"unpack it with `unzstd`; {_TAKES}"),
    (b"BZh", "is bzip2-compressed", f"unpack it with `bunzip2`; {_TAKES}"),
    (b"\xfd7zXZ\0", "is xz-compressed", f"unpack it with `unxz`; {_TAKES}"),
    (b"PK\x03\x04", "is a zip archive", f"unpack it with `unzip`; {_TAKES}"),
    (b"PAR1", "is a Parquet file", "give the TFRecord shards; an index is given to the commands that read one"),
    (b"\x89HDF", "is an HDF5 file", "give the TFRecord shards"),
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`"),
)
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_TEXT = bytes({*range(0x20, 0x7F), *b"\t\n\r"})
_TEXT_BYTES = 64
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8


def file_kind(head: bytes) -> tuple[str, str] | None:
    """What a file is that does not begin with a record, by its first bytes, and what to do; None if that is unknown."""
    for magic, kind, remedy in _MAGIC:
        if head.startswith(magic):
            return f"the file {kind}", remedy
    if head.startswith(_ZLIB):
        return "the file is zlib-compressed", f"write it again without compression; {_TAKES}"
    start = head[:_TEXT_BYTES].lstrip(b"\xef\xbb\xbf")
    if start.lstrip().startswith(b"<"):
        return "the file is HTML or XML, as a server's answer to a failed download", f"{FETCH} and look at the answer"
    if not start.translate(None, _TEXT):
        return "the file is text", "give the TFRecord shards; a list of VideoId,Labels has a name that ends in .csv"
    if not any(head):
        return "the file begins with zeros, as a download that did not come to its end", FETCH
    return None


class FramingError(ValueError):
    """Damaged framing; the message is the problem, callers add file, record and byte."""


def next_crc32c(data: Buffer | np.ndarray, crc: int = 0) -> int:
    """The CRC32C (Castagnoli) of what had the CRC before, and then these data; threads compute beside each other."""
    return int(crc32c(data.data if isinstance(data, np.ndarray) else data, crc))


def masked_crc32c(data: Buffer) -> int:
    """The CRC32C of the data, masked as TFRecord stores it."""
    return int(mask_crc32c(next_crc32c(data)))


def mask_crc32c(crc: Any) -> Any:
    """CRCs as TFRecord stores them: of one number, or of an array of uint32."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def frame_record(payload: bytes) -> bytes:
    """The payload between its header and its footer."""
    length = struct.pack("<Q", len(payload))
    return length + _FOOTER.pack(masked_crc32c(length)) + payload + _FOOTER.pack(masked_crc32c(payload))


def read_length(buffer: Buffer, offset: int, size: int) -> int:
    """The payload's length, by the record header at `offset` of the buffer, checked.

    Args:
        buffer: bytes of a shard.
        offset: where the record's header starts in the buffer.
        size: bytes that the shard still holds from there on.

    Raises:
        FramingError: the header is cut or damaged, or the record is longer than what is left of the shard.
    """
    header = bytes(buffer[offset : offset + HEADER_BYTES])
    if len(header) < HEADER_BYTES:
        raise FramingError("the file ends within the header of the record")
    length, stored = _HEADER.unpack(header)
    if masked_crc32c(header[:8]) != stored:
        raise FramingError(LENGTH_PROBLEM)
    if length + OVERHEAD > size:
        raise FramingError(f"the file ends {length + OVERHEAD - size:,} bytes before the record does")
    return int(length)


def read_footer(buffer: Buffer, offset: int = 0) -> int:
    """The stored masked CRC32C at `offset`; raises FramingError when the buffer ends there."""
    try:
        return int(_FOOTER.unpack_from(buffer, offset)[0])
    except struct.error:
        raise FramingError("the file ends within the record") from None


def read_payload(buffer: Buffer, offset: int, length: int, verify: bool = True) -> memoryview:
    """The payload of the record that an index puts at `offset`, as a view of the buffer (a whole shard).

    Args:
        buffer: the shard, e.g. a memory map of it.
        offset: of the record's header, in bytes.
        length: of the payload, as the index has it.
        verify: whether to compute the payload's CRC32C.

    Raises:
        FramingError: the record there is damaged, cut, or of another length.
    """
    view = memoryview(buffer)
    found = read_length(view, offset, len(view) - offset)
    if found != length:
        raise FramingError(f"the record has {found:,} bytes, {length:,} by the index")
    start = offset + HEADER_BYTES
    payload = view[start : start + length]
    if verify and masked_crc32c(payload) != read_footer(view, start + length):
        raise FramingError(PAYLOAD_PROBLEM)
    return payload


def iterate(path: StrPath) -> Iterator[tuple[int, memoryview]]:
    """The records of a shard: (byte of the record's header, payload as a view of the mapped file), CRC checked.

    Raises:
        RecordError: at the first damaged record, with file, record and byte; or the file is of another kind.
        InputError: the file is missing.
    """
    shard = map_file(path)
    offset = record = 0
    while offset < len(shard):
        try:
            length = read_length(shard, offset, len(shard) - offset)
            yield offset, read_payload(shard, offset, length)
        except FramingError as error:
            kind = None if offset else file_kind(bytes(shard[:_TEXT_BYTES]))
            raise RecordError(str(path), record, offset, *(kind or (str(error), FETCH))) from None
        offset, record = offset + OVERHEAD + length, record + 1


def map_file(path: StrPath) -> memoryview:
    """A file's bytes as a read-only memory map; raises InputError when it is missing."""
    with open(require_file(path), "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class RecordWriter:
    """Writes a shard; a context manager. `size` is its bytes so far.

    Example:
        with atomic_file("train0000.tfrecord") as path, RecordWriter(path) as writer:
            writer.write(payload)
    """

    def __init__(self, path: StrPath):
        self._file: BinaryIO = open(path, "wb", buffering=1 << 20)  # noqa: SIM115
        self.size = 0

    def write(self, payload: bytes) -> int:
        """Append a record; returns the byte of its header."""
        offset, framed = self.size, frame_record(payload)
        self._file.write(framed)
        self.size += len(framed)
        return offset

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
