"""Which labels come together: pairs with their lift, and a small matrix of the most frequent labels."""

from dataclasses import dataclass

import numpy as np

from yt8m.data.rebalance.facts import Facts


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
