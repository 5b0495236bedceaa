"""The order of a training, as arithmetic: any step can be computed without those before it.

An *item* is one reading of one video. A phase of a training is the endless concatenation of its epochs; batch t takes
items [t B, (t + 1) B), so batches run across the ends of epochs, none is short and nothing is dropped.

Within an epoch every item gets a place on a circle of 2^64 points and the items are sorted by place. A video's first
copy lands anywhere. Copy j of r lies j/r of the circle further on, plus a random shift of less than 1/2r. Each copy
alone is thus uniform over the epoch (every stretch of it has the same mix of repeated and other videos), the shuffle
is global, and two copies of a video are never closer than 1/2r of the epoch: they fall into different passes, and so
into different windows of a loader that stages shards. Independent shifts keep one pass from repeating the order
of the last.

Places come from the raw output of PCG64 and whole-number arithmetic only, so the same numbers give the same order on
every machine and NumPy release.

It is ours because the samplers of data loaders keep a permutation, or a position in one, and know neither repeated
videos that lie far apart nor windows of staged shards.

Which frames of a video a batch holds is drawn. The draws belong to an item of the training (see `yt8m.loader.order`),
not to a worker or a batch: item i of a phase has the same draws whatever the batch size, the number of threads, and the
step a run was resumed at.
"""

import threading
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from yt8m.errors import InputError

ORDER, FRAMES = 0, 1
EPOCHS_KEPT = 2


def stream(seed: int, purpose: int, *key: int) -> np.random.PCG64:
    """The random bits that belong to a seed, a purpose (`ORDER`, `FRAMES`) and a key such as (phase, epoch)."""
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose, *key)))


def epoch_order(repeats: np.ndarray, seed: int, epoch: int, phase: int = 0) -> np.ndarray:
    """The rows of one epoch, shuffled, with the copies of each row far apart.

    Args:
        repeats: integers [n], how often the epoch holds each row.
        seed: of the training.
        epoch: its number in the phase, from 0.
        phase: the number of the phase, from 0.

    Returns:
        int64 [sum of repeats]; row i stands there `repeats[i]` times.
    """
    repeats = np.asarray(repeats)
    random = stream(seed, ORDER, phase, epoch)
    rows = np.repeat(np.arange(len(repeats), dtype=np.uint64), repeats)
    places = _places(repeats, random)
    row_bits = np.uint64(max(len(repeats) - 1, 1).bit_length())
    low = (np.uint64(1) << row_bits) - np.uint64(1)
    # Place above, row below: one sort of plain integers moves both, and no tie depends on the algorithm.
    places &= ~low
    places |= rows
    places.sort()
    places &= low
    return places.view(np.int64)


def _places(repeats: np.ndarray, random: np.random.PCG64) -> np.ndarray:
    """uint64 [items], in units of 2^-64 of the epoch; sums wrap around as places on a circle should."""
    first = random.random_raw(len(repeats))
    used = repeats[repeats > 0]
    spacing = np.uint64(2**64 - 1) // used.astype(np.uint64)
    copies = np.arange(int(used.sum(dtype=np.int64)), dtype=np.uint64)
    copies -= np.repeat((np.cumsum(used, dtype=np.int64) - used).astype(np.uint64), used)
    places = np.repeat(spacing, used)
    shifts = random.random_raw(len(places)) % (places >> np.uint64(1))
    places *= copies
    places += shifts
    places += np.repeat(first, repeats)
    return places


class Order:
    """The rows of any range of a phase's items; safe to use from several threads.

    Args:
        repeats: integers [n], how often an epoch holds each row.
        seed: of the training.
        phase: the number of the phase, from 0.

    Raises:
        InputError: the phase holds no video.
    """

    def __init__(self, repeats: np.ndarray, seed: int, phase: int = 0):
        self._repeats, self._seed, self._phase = repeats, seed, phase
        self.epoch_size = int(np.sum(repeats, dtype=np.int64))
        if not self.epoch_size:
            raise InputError(f"phase {phase} of the training set holds no video; widen its selection in the recipe")
        self._lock = threading.Lock()
        self._epochs: dict[int, np.ndarray] = {}

    def rows(self, start: int, stop: int) -> np.ndarray:
        """int64 [stop - start]: the rows of items start to stop (exclusive) of the endless concatenation of epochs."""
        parts = [np.empty(0, np.int64)]
        while start < stop:
            epoch, first = divmod(start, self.epoch_size)
            parts.append(self._epoch(epoch)[first : first + stop - start])
            start += len(parts[-1])
        return np.concatenate(parts)

    def _epoch(self, epoch: int) -> np.ndarray:
        with self._lock:
            if epoch not in self._epochs:
                while len(self._epochs) >= EPOCHS_KEPT:
                    del self._epochs[min(self._epochs)]
                self._epochs[epoch] = epoch_order(self._repeats, self._seed, epoch, self._phase)
            return self._epochs[epoch]


Kind = Literal["random", "contiguous", "even", "all"]
MAX_FRAMES = 300


@dataclass(frozen=True)
class FrameSampling:
    """How to choose frames.

    Kinds, for a video of n frames (the few with 301 count as 300 except under `all`) and `count` K:
        random: K draws with replacement, frame `int(U * n)`; never padded.
        contiguous: K neighbours from a random start; all n and padding when n < K.
        even: frames `int((k + 1/2) * n / K)`, the same every time; never padded (frames repeat when n < K).
        all: the first K frames, and padding when n < K.

    Raises:
        InputError: another kind, or a count below 1.
    """

    kind: Kind = "random"
    count: int = 30

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"frame sampling {self.kind!r} is not known; choose of {', '.join(get_args(Kind))}")
        if self.count < 1:
            raise InputError(f"frame sampling of {self.count} frames; the count must be at least 1")

    @property
    def draws(self) -> int:
        """Random numbers that one video needs."""
        return {"random": self.count, "contiguous": 1}.get(self.kind, 0)

    def choose(self, num_frames: int, draws: np.ndarray) -> slice | np.ndarray:
        """The frames of one video: a slice, or int64 [count] positions.

        Args:
            num_frames: how many it has, at least 1.
            draws: float64 [self.draws], uniform in [0, 1).
        """
        if self.kind == "all":
            return slice(0, min(num_frames, self.count))
        num_frames = min(num_frames, MAX_FRAMES)
        if self.kind == "random":
            return (draws * num_frames).astype(np.int64)
        if self.kind == "even":
            return (2 * np.arange(self.count) + 1) * num_frames // (2 * self.count)
        start = int(draws[0] * max(num_frames - self.count + 1, 1))
        return slice(start, min(start + self.count, num_frames))


def frame_draws(sampling: FrameSampling, seed: int, phase: int, start: int, stop: int) -> np.ndarray:
    """float64 [stop - start, sampling.draws], uniform in [0, 1): the draws of items start to stop (exclusive)."""
    shape = (stop - start, sampling.draws)
    random = stream(seed, FRAMES, phase)
    random.advance(start * sampling.draws)
    bits = random.random_raw(shape[0] * shape[1])
    return (bits >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53
