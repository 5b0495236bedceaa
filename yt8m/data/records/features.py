"""Decoding of records: id and labels, frames, video-level means.

A record is a protobuf `SequenceExample` (frame level: context and feature lists) or `Example` (video level: features
only, under the same field number as the context). What the official writer makes is regular, and is read as NumPy
views of the record's own bytes; anything else that protobuf allows is parsed.
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from yt8m.data.records.wire import (
    Buffer,
    Features,
    Field,
    SequenceExample,
    WireError,
    delimited,
    read_field,
    read_fields,
    varint,
    varint_bytes,
)

Level = Literal["frame", "video"]
RGB, AUDIO = 1024, 128
WIDTHS = {"rgb": RGB, "audio": AUDIO}
MEANS = {"mean_rgb": RGB, "mean_audio": AUDIO}
LABELS = "labels"
ID, ID_2017 = "id", "video_id"
WANTED = (
    f"id (or video_id) and labels, with frames of rgb ({RGB} bytes each) and audio ({AUDIO} bytes each), or with "
    f"mean_rgb ({RGB} floats) and mean_audio ({AUDIO} floats)"
)
MAX_LABEL = np.iinfo(np.int32).max


class FeatureError(ValueError):
    """A record that cannot be decoded; the message is the problem, callers add file, record and byte.

    Attributes:
        remedy: what to do about it; None for what helps with any bad record.
    """

    remedy: str | None = None


class ForeignRecordError(FeatureError):
    """A sound record of another kind: it says which features were found in it, and which are wanted."""

    remedy = "give shards of YouTube-8M's records (`yt8m index --skip-bad-records` leaves others out)"

    def __init__(self, problem: str, payload: Buffer):
        super().__init__(f"{problem}; found: {_found(payload)}; wanted: {WANTED}")


class Context(NamedTuple):
    """What a record says about its video: id, and labels (int32 [L]; empty in the test partition)."""

    video_id: bytes
    labels: np.ndarray


class Frames(NamedTuple):
    """The frames of a video, quantised: rgb uint8 [T, 1024], audio uint8 [T, 128]; maybe views of the record."""

    rgb: np.ndarray
    audio: np.ndarray


def frame_header(width: int) -> bytes:
    """The bytes before each frame of `width` bytes in a feature list: three nested tags and lengths."""
    frame = bytes(width)
    return delimited(1, delimited(1, delimited(1, frame)))[:-width]


LAYOUTS = (("rgb", "audio"), ("audio", "rgb"))
"""In which order the two feature lists of a regular record stand; its layout is the number of the order, from 1."""
IRREGULAR = 0
"""The layout of a record that only a parser understands, or whose layout nobody has looked at."""

HEADERS = {name: np.frombuffer(frame_header(width), np.uint8) for name, width in WIDTHS.items()}
HEADER_BYTES = 9
_HEADER = np.dtype(f"V{HEADER_BYTES}")


def decode_context(payload: Buffer) -> Context:
    """Id and labels of a record of either level.

    Raises:
        FeatureError: not protobuf, no id, or labels that are not class indices.
    """
    sections = _sections(payload)
    if sections is None:
        features = _parse(SequenceExample, payload).context
    else:
        features = _parse(Features, payload[sections[0].start : sections[0].end], payload)
    return context_of(features, payload)


def context_of(features: Any, payload: Buffer) -> Context:
    """Id and labels out of a `Features` message of a record, or of its head; raises FeatureError."""
    feature = features.feature
    key = ID if ID in feature else ID_2017
    if key not in feature:
        raise ForeignRecordError("it has no id", payload)
    ids = feature[key].bytes_list.value
    if len(ids) != 1 or not _is_text(ids[0]):
        raise FeatureError(f"its {key} is not one text")
    return Context(ids[0], _labels(feature[LABELS], payload) if LABELS in feature else np.empty(0, np.int32))


def _labels(feature: Any, payload: Buffer) -> np.ndarray:
    labels = list(feature.int64_list.value)
    if not labels:
        if feature.WhichOneof("kind") not in ("int64_list", None):
            raise ForeignRecordError("its labels are not whole numbers", payload)
        return np.empty(0, np.int32)
    lowest, highest = min(labels), max(labels)
    if lowest < 0 or highest > MAX_LABEL:
        raise FeatureError(f"a label is {lowest if lowest < 0 else highest}, not a class index")
    return np.array(labels, np.int32)


def frame_features(payload: Buffer) -> Frames:
    """The frames of a frame-level record; views of `payload` when every frame's header is regular.

    Raises:
        FeatureError: not protobuf, a feature list missing, frames of a wrong size, no frames, or unequal counts.
    """
    spans = _map_spans(payload, 1) or {}
    views = [_frames_view(payload, spans.get(name), name) for name in WIDTHS]
    matrices = [view for view in views if view is not None]
    if len(matrices) < len(WIDTHS):
        parsed = _parse(SequenceExample, payload).feature_lists.feature_list
        matrices = [_frames_parsed(parsed, name, payload) for name in WIDTHS]
    rgb, audio = matrices
    if len(rgb) != len(audio):
        raise FeatureError(f"it has {len(rgb)} rgb frames and {len(audio)} audio frames")
    if not len(rgb):
        raise FeatureError("it has no frames")
    return Frames(rgb, audio)


def frame_places(layouts: np.ndarray, lengths: np.ndarray, num_frames: np.ndarray) -> dict[str, np.ndarray]:
    """Where the frames begin in the payloads of n records, by name: int64 [n], -1 for irregular ones.

    They follow from the end: a regular record holds nothing behind its feature lists. From there on each frame takes
    `HEADER_BYTES` and its width.

    Args:
        layouts: int8 [n].
        lengths: integers [n], bytes of the payloads.
        num_frames: integers [n].
    """
    places = {name: np.full(len(layouts), -1, np.int64) for name in WIDTHS}
    for layout, (first, last) in enumerate(LAYOUTS, 1):
        rows = np.flatnonzero(layouts == layout)
        ends, counts = lengths[rows].astype(np.int64), num_frames[rows].astype(np.int64)
        places[last][rows] = ends - counts * (HEADER_BYTES + WIDTHS[last])
        places[first][rows] = ends - list_bytes(last, counts) - counts * (HEADER_BYTES + WIDTHS[first])
    return places


def list_bytes(name: str, count: Any) -> Any:
    """Bytes of the map entry of a regular feature list of `count` frames (integers of any shape)."""
    frames = count * (HEADER_BYTES + WIDTHS[name])
    inside = len(delimited(1, name.encode())) + 1 + varint_bytes(frames) + frames
    return 1 + varint_bytes(inside) + inside


@lru_cache(maxsize=4096)
def list_head(name: str, count: int) -> bytes:
    """What stands before the first frame of a regular feature list of `count` frames: lengths and its name."""
    frames = count * (HEADER_BYTES + WIDTHS[name])
    inside = delimited(1, name.encode()) + b"\x12" + varint(frames)
    return b"\x0a" + varint(len(inside) + frames) + inside


def video_features(payload: Buffer) -> tuple[np.ndarray, np.ndarray]:
    """mean_rgb float32 [1024] and mean_audio float32 [128] of a video-level record.

    Raises:
        FeatureError: not protobuf, a mean missing, of a wrong size, or not finite.
    """
    spans = _map_spans(payload, 0) or {}
    views = [_floats_view(payload, spans.get(name), width) for name, width in MEANS.items()]
    means = [view for view in views if view is not None]
    if len(means) < len(MEANS):
        parsed = _parse(SequenceExample, payload).context.feature
        means = [_floats_parsed(parsed, name, payload) for name in MEANS]
    for name, mean in zip(MEANS, means, strict=True):
        if not np.isfinite(mean).all():
            raise FeatureError(f"its {name} holds a value that is not finite")
    mean_rgb, mean_audio = means
    return mean_rgb, mean_audio


def level_of(payload: Buffer) -> Level:
    """Whether a record is frame level (it has feature lists) or video level (it has `mean_rgb`).

    Raises:
        FeatureError: not protobuf, or neither.
    """
    lists, features = _map_spans(payload, 1), _map_spans(payload, 0)
    if lists is None or features is None:
        message = _parse(SequenceExample, payload)
        lists, features = message.feature_lists.feature_list, message.context.feature
    if any(name in lists for name in WIDTHS):
        return "frame"
    if any(name in features for name in MEANS):
        return "video"
    raise ForeignRecordError("it has neither frames (rgb, audio) nor means (mean_rgb, mean_audio)", payload)


def _is_text(value: bytes) -> bool:
    try:
        return value.decode().isprintable() and value != b""
    except UnicodeDecodeError:
        return False


def _parse(message: Any, data: Buffer, payload: Buffer | None = None) -> Any:
    try:
        return message.FromString(bytes(data))
    except DecodeError:
        raise ForeignRecordError("it is not a protobuf record", data if payload is None else payload) from None


_KINDS = {"bytes_list": "bytes", "float_list": "floats", "int64_list": "whole numbers"}
_MOST_SHOWN = 8


def _found(payload: Buffer) -> str:
    """The features of a record, in words."""
    try:
        record = SequenceExample.FromString(bytes(payload))
    except DecodeError:
        return f"{len(payload):,} bytes of another form"
    found = [f"{name} ({_size(feature)})" for name, feature in sorted(record.context.feature.items())]
    for name, frames in sorted(record.feature_lists.feature_list.items()):
        inside = f" of {_size(frames.feature[0])}" if frames.feature else ""
        found.append(f"{name} ({len(frames.feature):,} frames{inside})")
    more = f" and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    return ", ".join(found[:_MOST_SHOWN]) + more if found else "no feature"


def _size(feature: Any) -> str:
    kind = feature.WhichOneof("kind")
    if kind is None:
        return "nothing"
    values = getattr(feature, kind).value
    count = len(values[0]) if kind == "bytes_list" and len(values) == 1 else len(values)
    return f"{len(values)} texts" if kind == "bytes_list" and len(values) != 1 else f"{count:,} {_KINDS[kind]}"


def _sections(payload: Buffer) -> tuple[Field, Field] | None:
    """Context and feature lists as spans (empty when absent); None when only a parser can tell."""
    try:
        fields = read_fields(payload, 0, len(payload))
    except WireError:
        return None
    end = Field(2, len(payload), len(payload))
    match [field.number for field in fields]:
        case [1, 2]:
            return fields[0], fields[1]
        case [1]:
            return fields[0], end
    return None


def _map_spans(payload: Buffer, section: Literal[0, 1]) -> dict[str, Field] | None:
    """Name -> span of the value in a map section (0: context, 1: feature lists); None when it is irregular."""
    sections = _sections(payload)
    if sections is None:
        return None
    spans = {}
    try:
        for entry in read_fields(payload, sections[section].start, sections[section].end):
            key, value = read_fields(payload, entry.start, entry.end)
            if (entry.number, key.number, value.number) != (1, 1, 2):
                return None
            spans[bytes(payload[key.start : key.end]).decode()] = value
    except ValueError:  # WireError, another number of fields, or a key that is not UTF-8
        return None
    return spans


def _frames_view(payload: Buffer, span: Field | None, name: str) -> np.ndarray | None:
    """The matrix [T, width] as a strided view of the record, or None when a header is not the usual one."""
    if span is None:
        return None
    stride = HEADER_BYTES + WIDTHS[name]
    count, rest = divmod(span.end - span.start, stride)
    if rest:
        return None
    headers = np.ndarray((count,), _HEADER, payload, span.start, (stride,))
    if headers.tobytes() != HEADERS[name].tobytes() * count:
        return None
    return np.frombuffer(payload, np.uint8, count * stride, span.start).reshape(count, stride)[:, HEADER_BYTES:]


def _frames_parsed(lists: Any, name: str, payload: Buffer) -> np.ndarray:
    if name not in lists:
        raise ForeignRecordError(f"it has no {name} frames", payload)
    width, frames = WIDTHS[name], list[bytes]()
    for number, feature in enumerate(lists[name].feature):
        values = feature.bytes_list.value
        if len(values) != 1 or len(values[0]) != width:
            problem = f"its {name} frame {number} is not {width} bytes"
            raise FeatureError(problem) if frames else ForeignRecordError(problem, payload)
        frames.append(values[0])
    return np.frombuffer(b"".join(frames), np.uint8).reshape(len(frames), width)


def _floats_view(payload: Buffer, span: Field | None, width: int) -> np.ndarray | None:
    """The packed floats as a view of the record, or None when they are written in another way."""
    try:
        if span is None:
            return None
        kind = read_field(payload, span.start)
        values = read_field(payload, kind.start)
    except WireError:
        return None
    if (kind.number, values.number) != (2, 1) or not values.end == kind.end == span.end:
        return None
    if values.end - values.start != 4 * width:
        return None
    return np.frombuffer(payload, "<f4", width, values.start)


def _floats_parsed(features: Any, name: str, payload: Buffer) -> np.ndarray:
    if name not in features:
        raise ForeignRecordError(f"it has no {name}", payload)
    values = np.array(features[name].float_list.value, np.float32)
    if len(values) != MEANS[name]:
        raise ForeignRecordError(f"its {name} has {len(values)} floats, not {MEANS[name]}", payload)
    return values
