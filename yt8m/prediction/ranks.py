"""What a prediction keeps of each video's confidences: its most confident labels, and how its true labels fared."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint
from yt8m.data.records.video_index import VideoIndex
from yt8m.prediction.table import Predictions
from yt8m.prediction.top_k import label_ranks, top_k

COLUMNS = ("top_labels", "top_confidences", "label_ranks", "label_confidences")


@dataclass(frozen=True)
class Ranks:
    """Of some videos of an index.

    Attributes:
        rows: int64 [n], of the index.
        top_labels, top_confidences: int32 and float32 [n, K], descending.
        label_ranks, label_confidences: int32 and float32 [occurrences] of the true labels, video after video.
    """

    rows: np.ndarray
    top_labels: np.ndarray
    top_confidences: np.ndarray
    label_ranks: np.ndarray
    label_confidences: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """By name; `Ranks(**arrays)` is the inverse."""
        return asdict(self)


def rank(videos: VideoIndex, rows: np.ndarray, scores: np.ndarray, top: int) -> Ranks:
    """Of the videos in some rows of an index, whose confidences are `scores` float32 [rows, V]."""
    truth = videos.take(rows)
    return Ranks(rows, *top_k(scores, top), *label_ranks(scores, truth.labels, truth.bounds))


def join_ranks(parts: Sequence[Ranks]) -> Ranks:
    """Several one after another."""
    return Ranks(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", *COLUMNS)})


def assemble(videos: VideoIndex, ranks: Ranks, metadata: dict[str, Any]) -> Predictions:
    """The predictions file's content; the fingerprint is of models, index, K and the videos that were left out."""
    done = videos.take(ranks.rows)
    left_out = np.setdiff1d(np.arange(len(videos)), ranks.rows)
    identity = [metadata["models"], metadata["index"], ranks.top_labels.shape[1], left_out.tolist()]
    metadata = {**metadata, "fingerprint": fingerprint(identity)}
    columns = {name: getattr(ranks, name) for name in COLUMNS}
    return Predictions(video_ids=done.video_ids, labels=done.labels, bounds=done.bounds, **columns, metadata=metadata)
