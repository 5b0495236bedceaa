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
"""

import threading

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
