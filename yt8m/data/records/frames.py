"""Frames that a video could have had: shots around its own mean, quantised so that they come back to that mean.

Features are quantised as the dataset has them: step q of 256 stands for q * 4 / 255 + 4 / 512 - 2. The variation
within a video follows two real frame-level records: a standard deviation of about 0.85, a correlation of frames that
are one second apart of about 0.5, and of 0.1 eight seconds apart.

Labels whose evidence sits in a few frames: the same mean, but more to be found by a model that looks at frames.

The direction of a label is what the means of its videos have above all videos' (estimated from real records). In a
localised video each label gets a stretch of 10 to 25 % of the frames; these move along the label's direction, and all
others move back by as much in sum. A model of mean-pooled frames sees nothing of it; one that pools by content can.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from yt8m.data.records.features import AUDIO, RGB, FeatureError, decode_context, video_features
from yt8m.data.records.tfrecord import iterate
from yt8m.errors import FETCH, RecordError

STEPS = 255
STEP = 4 / STEPS
LOWEST = 4 / 512 - 2
SIZE = RGB + AUDIO
MEAN_SHOT_FRAMES = 5
SHOT_SD, DRIFT_SD, FRAME_SD = 0.60, 0.45, 0.54
SLACK_STEPS = 0.5
_FRACTION_BITS = 12


@cache
def frame_counts() -> tuple[np.ndarray, np.ndarray]:
    """The numbers of frames of 5,978 real videos, int64, and how often each occurs, as probabilities."""
    with resources.files("yt8m.data.records").joinpath("frame_counts.csv").open(encoding="utf-8") as file:
        rows = [(int(row["num_frames"]), int(row["videos"])) for row in csv.DictReader(file)]
    counts, videos = np.array(rows).T
    return counts, videos / videos.sum()


def draw_num_frames(random: np.random.Generator, max_frames: int) -> int:
    """A number of frames by the real distribution, cut at `max_frames`."""
    counts, probabilities = frame_counts()
    return min(int(random.choice(counts, p=probabilities)), max_frames)


def to_steps(mean: np.ndarray, name: str) -> np.ndarray:
    """A mean of features in quantisation steps, float64 in [0, 255].

    Raises:
        FeatureError: it lies further than half a step outside, where no frames can have it as their mean.
    """
    steps = (mean.astype(np.float64) - LOWEST) / STEP
    outside = (steps < -SLACK_STEPS) | (steps > STEPS + SLACK_STEPS)
    if outside.any():
        place = int(np.argmax(outside))
        highest = LOWEST + STEPS * STEP
        raise FeatureError(
            f"its {name}[{place}] is {mean[place]:g}; no frames have it as their mean, their values lie "
            f"between {LOWEST:.4f} and {highest:.4f}"
        )
    return np.clip(steps, 0, STEPS)


def shot_deviations(random: np.random.Generator, num_frames: int) -> np.ndarray:
    """What each frame adds to its video's mean, in steps: float32 [T, 1152], rgb then audio.

    Shots of five frames on average; within each one, a constant part, a part that drifts through zero, and noise.
    """
    cuts = random.random(num_frames) < 1 / MEAN_SHOT_FRAMES
    cuts[0] = True
    starts = np.flatnonzero(cuts)
    lengths = np.diff(np.append(starts, num_frames))
    shots = np.repeat(np.arange(len(starts)), lengths)
    middles = (starts + (lengths - 1) / 2)[shots]
    ramp = (np.arange(num_frames) - middles) / np.maximum(lengths[shots] / 2, 1)
    constant, drift = random.standard_normal((2, len(starts), SIZE), np.float32)
    frames = random.standard_normal((num_frames, SIZE), np.float32) * np.float32(FRAME_SD / STEP)
    frames += constant[shots] * np.float32(SHOT_SD / STEP)
    frames += drift[shots] * (ramp[:, None] * (DRIFT_SD / STEP)).astype(np.float32)
    return frames


def frames_of_mean(mean: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Quantised frames, uint8 [T, D], whose mean is `mean` to within 0.51 / T steps in every dimension.

    The deviations are centred, added and clipped. What clipping did to the mean is taken back by scaling a dimension
    towards the end of the range that it drifted away from, which leaves it inside. Then each frame takes the rounding
    error of the ones before it along (error feedback), so that only the last rounding is left in the sum.

    Args:
        mean: float64 [D], in steps, in [0, 255].
        deviations: float32 [T, D], in steps, T at most 2,000.
    """
    frames = np.clip(deviations + (mean - deviations.mean(0, np.float64)).astype(np.float32), 0, STEPS)
    found = frames.mean(0, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        down = np.where(found > mean, mean / found, 1.0)
        up = np.where(found < mean, (STEPS - mean) / (STEPS - found), 1.0)
    frames *= down.astype(np.float32)
    frames = STEPS - (STEPS - frames) * up.astype(np.float32)
    return _quantise(frames)


def _quantise(frames: np.ndarray) -> np.ndarray:
    """Steps float32 [T, D] in [0, 255] -> uint8, by rounding the running sums, in exact fixed-point arithmetic."""
    sums = np.rint(frames * (1 << _FRACTION_BITS)).astype(np.int32)
    np.cumsum(sums, axis=0, out=sums)
    sums += 1 << (_FRACTION_BITS - 1)
    sums >>= _FRACTION_BITS
    return np.diff(sums, axis=0, prepend=np.int32(0)).astype(np.uint8)


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
