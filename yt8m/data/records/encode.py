"""Frame-level records, written as the dataset has them: the context first (id, labels), then rgb, then audio."""

from collections.abc import Sequence

import numpy as np

from yt8m.data.records.features import HEADER_BYTES, HEADERS, LABELS, WIDTHS, Frames
from yt8m.data.records.messages import Features
from yt8m.data.records.wire import delimited


def encode_record(video_id: bytes, labels: Sequence[int] | np.ndarray, frames: Frames) -> bytes:
    """A serialised SequenceExample, byte for byte what protobuf writes for this order of fields.

    Args:
        video_id: of the video.
        labels: class indices; without any, the record has no `labels` (as in the test partition).
        frames: rgb uint8 [T, 1024] and audio uint8 [T, 128].
    """
    context = Features()
    context.feature["id"].bytes_list.value.append(video_id)
    if len(labels):
        context.feature[LABELS].int64_list.value.extend(int(label) for label in labels)
    lists = [_encode_list(name, matrix) for name, matrix in zip(WIDTHS, frames, strict=True)]
    return delimited(1, context.SerializeToString(deterministic=True)) + delimited(2, *lists)


def _encode_list(name: str, matrix: np.ndarray) -> bytes:
    rows = np.empty((len(matrix), HEADER_BYTES + WIDTHS[name]), np.uint8)
    rows[:, :HEADER_BYTES] = HEADERS[name]
    rows[:, HEADER_BYTES:] = matrix
    return delimited(1, delimited(1, name.encode()), delimited(2, rows.tobytes()))
