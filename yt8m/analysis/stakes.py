"""The GAP at stake: what it would be if the labels missed by a cause were not missed, exactly recomputed.

Of a cause of the model, each missed label is *found*: it takes the place of the least confident wrong label of its
video's top 20 (several of a video: the best ranked one takes the least confident, and so on; when no wrong label is
left, it stays missed), with the confidence at which the same label is typically found elsewhere: the median over the
videos whose top 20 has it rightly, or over all found labels where it is found in fewer than 5 videos; at least that of
the label whose place it takes.

Of annotation gaps, each wrong label that is blamed counts as *true*: a hit, and one more true label to find. What was
missed stays missed.

Either changes few of the pairs, so that GAP is recomputed from the one sorted pool without them and with what comes in
their place.
"""

import numpy as np

from yt8m.analysis.causes import ANNOTATION_GAP, CAUSES, Explained
from yt8m.analysis.evaluated import Evaluated
from yt8m.metrics.pairs import checked, gap_of_sorted, packed

LEAST_FOUND = 5


class Stakes:
    """Recomputes the GAP of predictions with some of their errors cured."""

    def __init__(self, evaluated: Evaluated):
        self._evaluated = evaluated
        self._positives = len(evaluated.predictions.labels)
        self._confidences = checked(evaluated.top_confidences)
        self._pool = packed(self._confidences, evaluated.hits)
        self._pool.sort()
        self._typical = typical_confidences(evaluated)

    def cured(self, explained: Explained) -> list[float]:
        """The GAP with each cause cured alone, in the order of CAUSES."""
        return [
            self.when_true(explained) if cause == ANNOTATION_GAP else self.when_found(explained.causes == cause)
            for cause in range(len(CAUSES))
        ]

    def when_found(self, chosen: np.ndarray) -> float:
        """The GAP when some of the missed labels are found: bool [missed]."""
        evaluated = self._evaluated
        rows, labels = evaluated.missed_rows[chosen], evaluated.predictions.labels[evaluated.missed][chosen]
        order = np.lexsort((evaluated.predictions.label_ranks[evaluated.missed][chosen], rows))
        rows, labels = rows[order], labels[order]
        places = places_of_wrong(evaluated.hits, rows)
        rows, labels, places = rows[places >= 0], labels[places >= 0], places[places >= 0]
        before = self._confidences[rows, places]
        return self._with(before, np.maximum(before, self._typical[labels]), self._positives)

    def when_true(self, explained: Explained) -> float:
        """The GAP when the wrong labels that annotation gaps are about count as true."""
        evaluated, gaps = self._evaluated, explained.causes == ANNOTATION_GAP
        pairs = np.unique(np.column_stack([evaluated.missed_rows[gaps], explained.blamed[gaps]]), axis=0)
        same = evaluated.top_labels[pairs[:, 0]] == pairs[:, 1, None]
        confidences = self._confidences[pairs[:, 0]][same]
        return self._with(confidences, confidences, self._positives + len(pairs))

    def _with(self, wrong: np.ndarray, right: np.ndarray, positives: int) -> float:
        """GAP without wrong pairs of these confidences, and with right ones of those."""
        pool = without(self._pool, packed(wrong, np.zeros(len(wrong), np.bool_)))
        added = np.sort(packed(right, np.ones(len(right), np.bool_)))
        return gap_of_sorted(np.insert(pool, np.searchsorted(pool, added), added), positives)


def typical_confidences(evaluated: Evaluated) -> np.ndarray:
    """float32 [V]: the median confidence at which each label is rightly in a top 20 (the lower of two middle ones).

    Labels found in fewer than LEAST_FOUND videos get the median of all found labels; when nothing is found, 0.
    """
    labels, confidences = evaluated.top_labels[evaluated.hits], np.abs(evaluated.top_confidences[evaluated.hits])
    if not len(labels):
        return np.zeros(evaluated.num_classes, np.float32)
    middle = (len(labels) - 1) // 2
    overall = np.partition(confidences, middle)[middle]
    order = np.argsort((labels.astype(np.uint64) << np.uint64(32)) | confidences.view(np.uint32))
    found = np.bincount(labels, minlength=evaluated.num_classes)
    middles = np.minimum(np.cumsum(found) - found + np.maximum(found - 1, 0) // 2, len(labels) - 1)
    return np.where(found >= LEAST_FOUND, confidences[order[middles]], overall).astype(np.float32)


def places_of_wrong(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """int64 [m]: for the first of equal `rows` the place of the video's last wrong label, for the next the one before.

    Args:
        hits: bool [n, K].
        rows: int [m], ascending.

    Returns:
        Places in 0 to K - 1; -1 when the video has no such wrong label left.
    """
    videos, starts, numbers = np.unique(rows, return_index=True, return_inverse=True)
    turn = np.arange(len(rows)) - starts[numbers]
    last_first = np.argsort(hits[videos][:, ::-1], axis=1, kind="stable")
    left = turn < np.count_nonzero(~hits[videos], axis=1)[numbers]
    return np.where(left, hits.shape[1] - 1 - last_first[numbers, np.minimum(turn, hits.shape[1] - 1)], -1)


def without(pool: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """A sorted array without some of its elements, each once: all of `removed` must be in it as often as there."""
    values, counts = np.unique(removed, return_counts=True)
    starts = np.repeat(np.searchsorted(pool, values), counts)
    kept = np.ones(len(pool), np.bool_)
    kept[starts + np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)] = False
    return pool[kept]
