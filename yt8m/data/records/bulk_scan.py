"""The scan of a whole shard at once, for regular frame-level shards: a loop that only reads, then NumPy.

What the official writer makes is regular: records longer than what is read of each, a context of an id and perhaps
labels, and two feature lists whose lengths agree. `read_regular` returns None for a shard with anything else in it, a
damaged header among it; then the scan record by record (`scan.py`), which knows every case, reads it again and has the
last word.
"""

import os
from dataclasses import dataclass
from functools import cache

import google_crc32c
import numpy as np

from yt8m.data.records.head import PREFIX_BYTES, count_frames
from yt8m.data.records.tfrecord import FOOTER_BYTES, HEADER_BYTES, MAX_LENGTH, OVERHEAD, mask_crc32c
from yt8m.data.records.wire import WireError
from yt8m.ragged import ragged_positions

READ_BYTES = 384
"""Read at each record: the stored CRC of the one before, the header, the context and the head of the features."""

MOST_RECORDS = 1 << 18
"""In a shard; their heads are in memory, twice 100 MB of them."""

_PAYLOAD = FOOTER_BYTES + HEADER_BYTES
_SLACK = 16
_KEYS = (b"id", b"video_id", b"labels")
_LABELS = _KEYS.index(b"labels")
_BYTES_LIST, _INT64_LIST, _VARINT = 0x0A, 0x1A, 0x08
_ENTRY, _KEY, _VALUE, _CONTEXT = 0x0A, 0x0A, 0x12, 0x0A
_LONGEST_VARINT = 3  # bytes: labels below 2^21


@dataclass(frozen=True, eq=False)
class Columns:
    """What the index keeps of the n good records of a shard.

    Attributes:
        video_ids: bytes [n] (NumPy `S`).
        offsets, lengths, num_frames: int64 [n].
        checksums: uint32 [n], the stored CRC32C of each payload.
        labels: int32 [occurrences], counts: int64 [n], labels of each record.
        layouts: int8 [n], by which the frames are found (`features.frame_places`).
    """

    video_ids: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    num_frames: np.ndarray
    checksums: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    layouts: np.ndarray


class _Irregular(Exception):
    """Something that is left to the scan record by record."""


def read_regular(path: str, size: int) -> Columns | None:
    """The columns of a local frame-level shard of `size` bytes; None when anything in it is not regular.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        return _columns(*_read_heads(path, size))
    except (_Irregular, WireError):
        return None


def _require(condition: object) -> None:
    if not condition:
        raise _Irregular


def _read_heads(path: str, size: int) -> tuple[bytes, np.ndarray]:
    """READ_BYTES of each record from its predecessor's stored CRC on, put together, and the records' offsets."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        pread, number = os.pread, int.from_bytes
        offset, heads, offsets = 0, list[bytes](), list[int]()
        head = bytes(FOOTER_BYTES) + pread(descriptor, READ_BYTES - FOOTER_BYTES, 0)
        while offset < size:
            length = number(head[FOOTER_BYTES : FOOTER_BYTES + 8], "little")
            _require(READ_BYTES <= length <= size - offset and len(head) == READ_BYTES and len(heads) < MOST_RECORDS)
            heads.append(head)
            offsets.append(offset)
            offset += OVERHEAD + length
            head = pread(descriptor, READ_BYTES, offset - FOOTER_BYTES)
    finally:
        os.close(descriptor)
    _require(offset == size and heads and len(head) == FOOTER_BYTES)
    return b"".join((*heads, head, bytes(READ_BYTES - FOOTER_BYTES + _SLACK))), np.array(offsets, np.int64)


def _columns(data: bytes, offsets: np.ndarray) -> Columns:
    count, flat = len(offsets), np.frombuffer(data, np.uint8)
    rows = flat[: (count + 1) * READ_BYTES].reshape(count + 1, READ_BYTES)
    checksums = rows[1:, :FOOTER_BYTES].copy().view("<u4")[:, 0]
    header = rows[:count, FOOTER_BYTES:_PAYLOAD].copy()
    _require(np.array_equal(_length_crcs(header[:, :8]), header[:, 8:].copy().view("<u4")[:, 0]))
    lengths = header[:, :8].copy().view("<i8")[:, 0]
    start = np.arange(count) * READ_BYTES + _PAYLOAD
    _require((lengths <= MAX_LENGTH).all() and (flat[start] == _CONTEXT).all())
    size, inside = _varints(flat, start + 1)
    end = inside + size
    _require((end + PREFIX_BYTES <= start - _PAYLOAD + READ_BYTES).all())
    ids, spans = _entries(flat, inside, end)
    labels, counts = _labels(flat, *spans)
    num_frames, layouts = _frames(data, end, lengths - (end - start))
    return Columns(_texts(flat, *ids), offsets, lengths, num_frames, checksums, labels, counts, layouts)


def _length_crcs(lengths: np.ndarray) -> np.ndarray:
    """The masked CRC32C of rows of eight bytes: a CRC is linear in the bytes, so each contributes by a table."""
    crcs = np.full(len(lengths), google_crc32c.value(bytes(8)), np.uint32)
    for place in range(8):
        crcs ^= _crc_table(place)[lengths[:, place]]
    return mask_crc32c(crcs)


@cache
def _crc_table(place: int) -> np.ndarray:
    """What each value of a byte at a place contributes to the CRC32C of eight bytes: uint32 [256]."""
    zero = google_crc32c.value(bytes(8))
    values = (bytes(place) + bytes([value]) + bytes(7 - place) for value in range(256))
    return np.array([google_crc32c.value(value) ^ zero for value in values], np.uint32)


def _varints(flat: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A varint of at most two bytes at each position, and the positions behind them."""
    low, high = flat[position], flat[position + 1]
    long = low >= 0x80
    _require(not (long & (high >= 0x80)).any())
    return np.where(long, (low & 0x7F) | high.astype(np.int64) << 7, low), position + 1 + long


Spans = tuple[np.ndarray, np.ndarray]


def _entries(flat: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[Spans, Spans]:
    """Where the lists of ids and of labels stand in contexts of an id, or of an id and labels in either order."""
    kind, values, behind = _entry(flat, start, end)
    if (behind == end).all():
        _require((kind != _LABELS).all())
        return (values, behind), (end, end)
    _require((behind < end).all())
    other, other_values, other_behind = _entry(flat, behind, end)
    last = kind == _LABELS
    _require((other_behind == end).all() and ((other == _LABELS) != last).all())
    ids = np.where(last, other_values, values), np.where(last, end, behind)
    return ids, (np.where(last, values, other_values), np.where(last, behind, end))


def _entry(flat: np.ndarray, start: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kind of each map entry (an index of `_KEYS`), where the values of its list begin, and where they end."""
    size, key = _varints(flat, start + 1)
    end = key + size
    _require((flat[start] == _ENTRY).all() and (end <= limit).all() and (flat[key] == _KEY).all())
    kind, key_end = _kind(flat, key + 2, flat[key + 1])
    _require((flat[key_end] == _VALUE).all())
    size, feature = _varints(flat, key_end + 1)
    _require((feature + size == end).all() and (size > 0).all())
    _require((flat[feature] == np.where(kind == _LABELS, _INT64_LIST, _BYTES_LIST)).all())
    size, values = _varints(flat, feature + 1)
    _require((values + size == end).all())
    return kind, values, end


def _kind(flat: np.ndarray, start: np.ndarray, size: np.ndarray) -> Spans:
    """Which of `_KEYS` stands at each position, and where it ends."""
    window = flat[start[:, None] + np.arange(8)]
    kind = np.full(len(start), -1)
    for number, key in enumerate(_KEYS):
        same = (size == len(key)) & (window[:, : len(key)] == np.frombuffer(key, np.uint8)).all(axis=1)
        kind[same] = number
    _require((kind >= 0).all())
    return kind, start + size


def _texts(flat: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """One text of printable ASCII characters in each list: bytes [n]."""
    _require((flat[start] == _ENTRY).all())
    size, text = _varints(flat, start + 1)
    _require((text + size == end).all() and (size > 0).all())
    widest = int(size.max())
    places = np.arange(widest)
    inside = places < size[:, None]
    letters = np.where(inside, flat[text[:, None] + places], 0)
    _require((((letters >= 0x20) & (letters < 0x7F)) | ~inside).all())
    return letters.astype(np.uint8).view(f"S{widest}")[:, 0]


def _labels(flat: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels of all lists, packed or not, and how many each has."""
    filled = start < end
    tags = flat[start[filled]]
    packed = bool((tags == _BYTES_LIST).all())
    if packed and len(tags):
        size, values = _varints(flat, start + 1)
        _require((values + size == end)[filled].all())
        start = np.where(filled, values, end)
    numbers, counts = _flat_varints(flat, start, end)
    if not packed:
        _require(not (counts % 2).any() and (numbers[::2] == _VARINT).all())
        numbers, counts = numbers[1::2], counts // 2
    return numbers, counts


def _flat_varints(flat: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The varints that fill the spans, int32 one span after the other, and how many each span holds."""
    sizes = end - start
    data = flat[ragged_positions(start, sizes)]
    if not len(data):
        return np.empty(0, np.int32), np.zeros(len(start), np.int64)
    is_last = data < 0x80
    bounds = np.cumsum(sizes)
    _require(is_last[bounds[sizes > 0] - 1].all())
    lasts = np.flatnonzero(is_last)
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    widths = lasts - firsts + 1
    _require(widths.max() <= _LONGEST_VARINT)
    data = np.concatenate((data, np.zeros(_LONGEST_VARINT, np.uint8))).astype(np.int32)
    numbers = data[firsts] & 0x7F
    for place in range(1, int(widths.max())):
        numbers |= np.where(place < widths, (data[firsts + place] & 0x7F) << (7 * place), 0)
    ends = np.searchsorted(lasts, bounds)
    return numbers, np.diff(ends, prepend=0)


def _frames(data: bytes, position: np.ndarray, size: np.ndarray) -> Spans:
    """Frames of the feature lists of `size` bytes that begin at each position, and their layouts."""
    found = [
        count_frames(data[at : at + PREFIX_BYTES], total)
        for at, total in zip(position.tolist(), size.tolist(), strict=True)
    ]
    counts, layouts = np.array(found, np.int64).T
    _require(counts.all())
    return counts, layouts.astype(np.int8)
