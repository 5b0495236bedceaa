"""Records whose layout is known: their frames are read from where they lie straight into a batch."""

from typing import Literal

import numpy as np

from yt8m.data.records.features import (
    HEADER_BYTES,
    HEADERS,
    IRREGULAR,
    LAYOUTS,
    WIDTHS,
    Frames,
    frame_features,
    frame_places,
    list_head,
)
from yt8m.data.records.head import read_head
from yt8m.data.records.tfrecord import (
    FOOTER_BYTES,
    OVERHEAD,
    FramingError,
    mask_crc32c,
    next_crc32c,
    read_footer,
    read_length,
)
from yt8m.data.records.tfrecord import HEADER_BYTES as FRAMING_BYTES
from yt8m.data.records.video_index import VideoIndex
from yt8m.loader.shards import Shards

STRIDES = {name: HEADER_BYTES + width for name, width in WIDTHS.items()}
"""Bytes from one frame of a regular record to the next."""

HEAD = 64
"""More than the bytes before the first frame of a list that say its name and length."""

Verify = Literal["always", "first", "never"]


class KnownRecords:
    """What is known of the records of an index: by the index, and from then on by whoever has read them.

    A record is *seen* once its lists are named `rgb` and `audio` and the heads of their frames are regular and, unless
    `verify` is `never`, its framing and checksum right. Of a seen record only the frames that are wanted are read, and
    the stored checksum, which must be that of the index.

    Args:
        index: of shards.
        verify: whether the checksum of a record is computed each time that it is read, the first time, or never.

    Attributes:
        seen: bool [n].
    """

    def __init__(self, index: VideoIndex, verify: Verify = "first"):
        self.verify, self._index = verify, index
        self.seen = np.zeros(len(index), bool)
        self._layouts = np.zeros(len(index), np.int8) if index.layouts is None else np.array(index.layouts, np.int8)
        self._places = frame_places(self._layouts, index.lengths, index.num_frames)
        self._layouts[np.minimum(*self._places.values()) <= 0] = IRREGULAR
        self._usable = index.checksums is not None and index.level == "frame"

    def verifies(self, row: int) -> bool:
        """Whether the checksum of a record is to be computed at its next reading."""
        return self.verify == "always" or (self.verify == "first" and not self.seen[row])

    def frames(self, row: int, payload: memoryview) -> Frames:
        """The frames of a whole record, which is seen from now on if it is regular; errors as of `frame_features`."""
        if not self.seen[row]:
            frames = frame_features(payload)
            self._note(row, payload)
            return frames
        return Frames(*(matrix[:, HEADER_BYTES:] for matrix in self._matrices(row, payload).values()))

    def read_frames(
        self, row: int, chosen: slice, targets: dict[str, np.ndarray], scratch: np.ndarray, shards: Shards
    ) -> bool:
        """Read frames that follow each other from where they lie, if that is known.

        Args:
            row: of the index.
            chosen: the frames.
            targets: `rgb` and `audio`, uint8 [at least as many, 9 + width], contiguous: get the frames and their heads.
            scratch: uint8, as long as the longest record with its framing.
            shards: where the record lies.

        Returns:
            False where the record has to be read as a whole and looked at: it is irregular, or not as it should be.
        """
        if not self._usable or not self._layouts[row]:
            return False
        count = chosen.stop - chosen.start
        parts = {name: targets[name][:count] for name in LAYOUTS[self._layouts[row] - 1]}
        if count == self._index.num_frames[row]:
            return self._read_all(row, parts, scratch, shards)
        if self.seen[row] and self.verify != "always" and shards.in_pieces:
            return self._read_some(row, chosen.start, parts, scratch, shards)
        return False

    def _read_all(self, row: int, parts: dict[str, np.ndarray], scratch: np.ndarray, shards: Shards) -> bool:
        """All frames, by one read of the whole record; what lies between them goes to the scratch memory."""
        first, last = (part.reshape(-1) for part in parts.values())
        first_at, last_at = (int(self._places[name][row]) + FRAMING_BYTES for name in parts)
        end = FRAMING_BYTES + int(self._index.lengths[row])
        before, between = scratch[:first_at], scratch[first_at : last_at - len(first)]
        footer = scratch[end : end + FOOTER_BYTES]
        number, offset = int(self._index.shard_numbers[row]), int(self._index.offsets[row])
        done = shards.read_into(number, offset, before, first, between, last, footer)
        if done < end + FOOTER_BYTES or not self._is_the_indexed(row, footer):
            return False
        if self.verifies(row) and not _is_sound((before, first, between, last), footer, end):
            return False
        if not self.seen[row]:
            named = all(
                bytes(heads.data).endswith(list_head(name, len(part)))
                for heads, (name, part) in zip((before, between), parts.items(), strict=True)
            )
            self.seen[row] = named and all(_has_usual_heads(name, part) for name, part in parts.items())
        return bool(self.seen[row])

    def _read_some(
        self, row: int, start: int, parts: dict[str, np.ndarray], scratch: np.ndarray, shards: Shards
    ) -> bool:
        """Some frames of a seen record, and its stored checksum."""
        number, offset = int(self._index.shard_numbers[row]), int(self._index.offsets[row]) + FRAMING_BYTES
        for name, part in parts.items():
            place = int(self._places[name][row]) + start * STRIDES[name]
            if shards.read_into(number, offset + place, part.reshape(-1)) < part.size:
                return False
        footer = scratch[:FOOTER_BYTES]
        done = shards.read_into(number, offset + int(self._index.lengths[row]), footer)
        return done == FOOTER_BYTES and self._is_the_indexed(row, footer)

    def _is_the_indexed(self, row: int, footer: np.ndarray) -> bool:
        assert self._index.checksums is not None
        return read_footer(footer.data) == int(self._index.checksums[row])

    def _note(self, row: int, payload: memoryview) -> None:
        """A whole record was read and parsed: what is known of it from now on."""
        if not self._usable:
            return
        if not self._layouts[row]:
            head = read_head(bytes(payload), len(payload))
            if head is None or head.num_frames != self._index.num_frames[row]:
                return
            one = slice(row, row + 1)
            layout = np.array([head.layout], np.int8)
            found = frame_places(layout, self._index.lengths[one], self._index.num_frames[one])
            for name, places in self._places.items():
                places[one] = found[name]
            self._layouts[one] = layout  # last: other threads look at it first
        self.seen[row] = self._layouts[row] and all(
            _has_usual_heads(name, matrix)
            and bytes(payload[max(self._places[name][row] - HEAD, 0) : self._places[name][row]]).endswith(
                list_head(name, len(matrix))
            )
            for name, matrix in self._matrices(row, payload).items()
        )

    def _matrices(self, row: int, payload: memoryview) -> dict[str, np.ndarray]:
        """The frames of a regular record with their heads: views, uint8 [frames, 9 + width] by name."""
        count = int(self._index.num_frames[row])
        return {
            name: np.frombuffer(payload, np.uint8, count * stride, self._places[name][row]).reshape(count, stride)
            for name, stride in STRIDES.items()
        }


def _has_usual_heads(name: str, matrix: np.ndarray) -> bool:
    return bool((matrix[:, :HEADER_BYTES] == HEADERS[name]).all())


def _is_sound(parts: tuple[np.ndarray, ...], footer: np.ndarray, end: int) -> bool:
    """Whether a record, read in parts from its framing on, has the length and the checksum that its framing says."""
    try:
        length = read_length(parts[0][:FRAMING_BYTES].data, 0, end + FOOTER_BYTES)
    except FramingError:
        return False
    crc = next_crc32c(parts[0][FRAMING_BYTES:])
    for part in parts[1:]:
        crc = next_crc32c(part, crc)
    return length + OVERHEAD == end + FOOTER_BYTES and mask_crc32c(crc) == read_footer(footer.data)
