"""What decides about a record: id, labels, level and number of frames, out of its first KB where that suffices."""

from functools import lru_cache
from typing import NamedTuple

from google.protobuf.message import DecodeError

from yt8m.data.records.features import (
    HEADER_BYTES,
    IRREGULAR,
    LAYOUTS,
    WIDTHS,
    Context,
    ForeignRecordError,
    Level,
    context_of,
    decode_context,
    frame_features,
    level_of,
    list_bytes,
    video_features,
)
from yt8m.data.records.wire import Features, WireError, read_field

HEAD_BYTES = 1024
"""So much of a record is read to index it: the context and the head of the first feature list are far shorter."""

PREFIX_BYTES = 20
"""So much of the feature lists says their lengths, and holds no byte of a frame: it recurs, and is looked up."""


class Head(NamedTuple):
    """Id and labels of a record, its level, its number of frames (1 at video level), and its layout."""

    context: Context
    level: Level
    num_frames: int
    layout: int = IRREGULAR


def read_head(head: bytes, length: int) -> Head | None:
    """The head of a frame-level record of `length` bytes, out of its first bytes (or all of them).

    The number of frames follows from the length of the first feature list, and is believed only when two feature
    lists of so many frames give exactly the record's length.

    Returns:
        None when the first bytes do not settle it (video level, a long context, an irregular record).

    Raises:
        FeatureError: the context is there, and its id or labels are not what they should be.
    """
    try:
        context = read_field(head, 0)
        if context.number != 1 or context.end > len(head):
            return None
        prefix = head[context.end : context.end + PREFIX_BYTES]
        num_frames, layout = count_frames(prefix, length - context.end)
        features = Features.FromString(head[context.start : context.end]) if num_frames else None
    except (WireError, DecodeError):
        return None
    try:
        return Head(context_of(features, head), "frame", num_frames, layout) if num_frames else None
    except ForeignRecordError:  # all of the record says better what it is
        return None


def read_whole(payload: bytes) -> Head:
    """The head of a whole record of either level, whose features are decoded on the way as a check.

    Raises:
        FeatureError: anything that `decode_context`, `frame_features` or `video_features` refuse.
    """
    context, level = decode_context(payload), level_of(payload)
    if level == "frame":
        num_frames, head = len(frame_features(payload).rgb), read_head(payload, len(payload))
        return Head(context, level, num_frames, head.layout if head else IRREGULAR)
    video_features(payload)
    return Head(context, level, 1)


@lru_cache(maxsize=4096)
def count_frames(prefix: bytes, size: int) -> tuple[int, int]:
    """Frames of feature lists of `size` bytes that start with `prefix`, and their layout.

    Without frames, and irregular, when the lengths do not fit together.
    """
    lists = read_field(prefix, 0)
    entry = read_field(prefix, lists.start)
    key = read_field(prefix, entry.start)
    frames = read_field(prefix, key.end)
    name = prefix[key.start : key.end].decode(errors="replace")
    if (lists.number, entry.number, key.number, frames.number) != (2, 1, 1, 2) or name not in WIDTHS:
        return 0, IRREGULAR
    if not (lists.end == size and frames.end == entry.end):
        return 0, IRREGULAR
    count, rest = divmod(frames.end - frames.start, HEADER_BYTES + WIDTHS[name])
    layout, other = next((number, last) for number, (first, last) in enumerate(LAYOUTS, 1) if first == name)
    return (count, layout) if not rest and entry.end + list_bytes(other, count) == size else (0, IRREGULAR)
