"""What recipes ask about an index: counts of labels, and reductions over the labels of each video."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yt8m.artifacts import fingerprint_bytes, ids_to_arrow
from yt8m.data.records.video_index import VideoIndex

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


class Facts:
    """An index of n videos with what is computed from it once.

    Attributes:
        index: the videos.
        seed: of every random choice.
    """

    def __init__(self, index: VideoIndex, seed: int = 0):
        self.index, self.seed = index, seed

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def label_counts(self) -> np.ndarray:
        """int64 [largest label + 1]: occurrences of each label, which is videos that carry it."""
        return np.bincount(self.index.labels)

    @cached_property
    def labels_per_video(self) -> np.ndarray:
        """int64 [n]: how many labels each video has."""
        return self.index.labels_per_video

    def of_labels(self, table: np.ndarray) -> np.ndarray:
        """[occurrences]: the table's value for each label occurrence; the table is over all labels."""
        return table[self.index.labels]

    def count_per_video(self, occurrences: np.ndarray) -> np.ndarray:
        """int64 [n]: how many of each video's label occurrences are marked; bool [occurrences] in."""
        ends = np.concatenate(([0], np.cumsum(occurrences, dtype=np.int64)))
        return ends[self.index.bounds[1:]] - ends[self.index.bounds[:-1]]

    def max_per_video(self, values: np.ndarray, empty: float = 0.0) -> np.ndarray:
        """[n]: the largest value over each video's label occurrences; `empty` for a video without labels."""
        result = np.full(len(self), empty, dtype=values.dtype)
        filled = self.labels_per_video > 0
        if filled.any():
            result[filled] = np.maximum.reduceat(values, self.index.bounds[:-1][filled])
        return result

    def draws(self, purpose: str, seed: int | None = None) -> np.ndarray:
        """float64 [n] in [0, 1): a random number for each video, a pure function of (seed, purpose, video id).

        The same video gets the same number in whatever index and at whatever row it stands. `seed` overrides
        that of the facts.
        """
        return hashed_draws(self.index.video_ids, f"{self.seed if seed is None else seed} {purpose}")


def ids_among(video_ids: np.ndarray, others: pa.Array) -> np.ndarray:
    """Which of the ids (NumPy `S`) are among the others (Arrow strings); bool [n]."""
    return np.asarray(pc.is_in(ids_to_arrow(video_ids), value_set=others))


def hashed_draws(video_ids: np.ndarray, salt: str) -> np.ndarray:
    """float64 [n] in [0, 1): each id's words of 8 bytes folded by splitmix64 (Steele et al. 2014), from a salt."""
    width = -(-max(video_ids.dtype.itemsize, 1) // 8) * 8
    words = np.ascontiguousarray(video_ids.astype(f"S{width}")).view("<u8").reshape(len(video_ids), width // 8)
    state = np.full(len(video_ids), int(fingerprint_bytes(salt.encode()), 16), dtype=np.uint64)
    for (
        word
    ) in words.T:  # an id's words past its end are 0 and leave it as it is, so the width of the column is no matter
        state = np.where(word > 0, _splitmix(state ^ word), state)
    return (_splitmix(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _splitmix(state: np.ndarray) -> np.ndarray:
    state = state + GOLDEN_GAMMA
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True)
class Pairs:
    """Pairs of labels that some video carries together.

    Attributes:
        first, second: int64 [pairs], labels, first < second.
        videos: int64 [pairs], videos with both.
        lift: float64 [pairs], P(both) / (P(first) P(second)) over all videos; 1 when they are independent.
    """

    first: np.ndarray
    second: np.ndarray
    videos: np.ndarray
    lift: np.ndarray

    def take(self, order: np.ndarray) -> "Pairs":
        """Some pairs, in that order."""
        return Pairs(self.first[order], self.second[order], self.videos[order], self.lift[order])


def count_pairs(facts: Facts) -> Pairs:
    """All pairs of labels that occur together, ordered by (first, second)."""
    classes = len(facts.label_counts)
    counts = facts.labels_per_video
    keys = [np.zeros(0, np.int64)]
    for size in np.unique(counts[counts > 1]):
        starts = facts.index.bounds[:-1][counts == size]
        labels = np.sort(facts.index.labels[starts[:, None] + np.arange(size)].astype(np.int64), axis=1)
        first, second = np.triu_indices(size, k=1)
        keys.append((labels[:, first] * classes + labels[:, second]).ravel())
    pairs, videos = np.unique(np.concatenate(keys), return_counts=True)
    first, second = pairs // max(classes, 1), pairs % max(classes, 1)
    expected = facts.label_counts[first] * facts.label_counts[second] / len(facts)
    return Pairs(first, second, videos, videos / expected)


def most_frequent(pairs: Pairs, count: int) -> Pairs:
    """The pairs on the most videos, descending; equal ones by label."""
    return pairs.take(np.argsort(-pairs.videos, kind="stable")[:count])


def strongest(pairs: Pairs, count: int, least_videos: int) -> Pairs:
    """The pairs of the highest lift among those on at least `least_videos` videos, descending."""
    common = pairs.take(np.flatnonzero(pairs.videos >= least_videos))
    return common.take(np.argsort(-common.lift, kind="stable")[:count])


def matrix(pairs: Pairs, facts: Facts, labels: np.ndarray) -> np.ndarray:
    """int64 [k, k]: videos that carry both of two labels; on the diagonal, the videos that carry the label."""
    place = np.full(len(facts.label_counts), -1)
    place[labels] = np.arange(len(labels))
    rows, columns = place[pairs.first], place[pairs.second]
    inside = (rows >= 0) & (columns >= 0)
    result = np.diag(facts.label_counts[labels])
    result[rows[inside], columns[inside]] = pairs.videos[inside]
    result[columns[inside], rows[inside]] = pairs.videos[inside]
    return result
