"""Labels whose evidence sits in a few frames: the same mean, but more to be found by a model that looks at frames.

The direction of a label is what the means of its videos have above all videos' (estimated from real records). In a
localised video each label gets a stretch of 10 to 25 % of the frames; these move along the label's direction, and all
others move back by as much in sum. A model of mean-pooled frames sees nothing of it; one that pools by content can.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yt8m.data.records.features import FeatureError, decode_context, video_features
from yt8m.data.records.frames import SIZE, STEP
from yt8m.data.records.tfrecord import iterate
from yt8m.errors import FETCH, RecordError

SHARES = (0.10, 0.25)
PRIOR_VIDEOS = 4
MAX_SHIFT = 24.0


@dataclass(frozen=True)
class Directions:
    """The directions of labels: int32 [n] sorted labels, and float32 [n, 1152] in feature units."""

    labels: np.ndarray
    vectors: np.ndarray

    def of(self, labels: np.ndarray) -> np.ndarray:
        """The vectors of those labels that have one: float32 [at most len(labels), 1152]."""
        return self.vectors[np.flatnonzero(np.isin(self.labels, labels))]


def estimate_directions(paths: Sequence[str]) -> Directions:
    """Directions of the labels that occur in video-level shards.

    A label's mean over n videos counts as n / (n + 4) of itself, because the mean of a few videos is mostly their own.

    Raises:
        RecordError: a bad record.
    """
    sums: dict[int, np.ndarray] = {}
    counts: dict[int, int] = {}
    total, videos = np.zeros(SIZE), 0
    for path in paths:
        for labels, mean in _means(path):
            total, videos = total + mean, videos + 1
            for label in labels.tolist():
                counts[label] = counts.get(label, 0) + 1
                sums[label] = sums.get(label, 0.0) + mean
    found = sorted(counts)
    vectors = [(sums[label] - total * (counts[label] / videos)) / (counts[label] + PRIOR_VIDEOS) for label in found]
    return Directions(np.array(found, np.int32), np.array(vectors, np.float32).reshape(-1, SIZE))


def localize(
    random: np.random.Generator, deviations: np.ndarray, labels: np.ndarray, directions: Directions
) -> np.ndarray:
    """Deviations float32 [T, 1152] with each label's evidence moved into a stretch of frames; their sum is unchanged.

    A label's direction d is removed from the frames outside its stretch and concentrated inside: with a share s of
    the frames, d (1 / s - 1) is added inside and -d outside. The shift inside is at most 24 in norm (a frame's own
    variation has a norm of 29), so that a rare label's evidence does not drown all else.
    """
    num_frames = len(deviations)
    vectors = directions.of(labels)
    pattern = np.zeros((num_frames, len(vectors)))
    for column, vector in zip(pattern.T, vectors, strict=True):
        count = max(round(random.uniform(*SHARES) * num_frames), 1)
        start = random.integers(num_frames - count + 1)
        gain = num_frames / count - 1
        weight = min(1.0, MAX_SHIFT / max(gain * float(np.linalg.norm(vector)), 1e-9))
        column -= weight
        column[start : start + count] += weight * num_frames / count
    return deviations + (pattern @ (vectors / STEP)).astype(np.float32)


def _means(path: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Labels and mean (float32 [1152], rgb then audio) of each record."""
    found = []
    for record, (offset, payload) in enumerate(iterate(path)):
        try:
            found.append((np.unique(decode_context(payload).labels), np.concatenate(video_features(payload))))
        except FeatureError as error:
            raise RecordError(path, record, offset, str(error), error.remedy or FETCH) from None
    return found
