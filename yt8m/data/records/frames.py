"""Frames that a video could have had: shots around its own mean, quantised so that they come back to that mean.

Features are quantised as the dataset has them: step q of 256 stands for q * 4 / 255 + 4 / 512 - 2. The variation
within a video follows two real frame-level records: a standard deviation of about 0.85, a correlation of frames that
are one second apart of about 0.5, and of 0.1 eight seconds apart.
"""

import csv
from functools import cache
from importlib import resources

import numpy as np

from yt8m.data.records.features import AUDIO, RGB, FeatureError

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
