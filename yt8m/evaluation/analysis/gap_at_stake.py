"""The GAP at stake: what it would be if the labels missed by a cause were not missed, exactly recomputed.

Of a cause of the model, each missed label is *found*: it takes the place of the least confident wrong label of its
video's top 20 (several of a video: the best ranked one takes the least confident, and so on; when no wrong label is
left, it stays missed), with the confidence at which the same label is typically found elsewhere: the median over the
videos whose top 20 has it rightly, or over all found labels where it is found in fewer than 5 videos; at least that of
the label whose place it takes.

Of annotation gaps, each wrong label that is blamed counts as *true*: a hit, and one more true label to find. What was
missed stays missed.
"""

import numpy as np

from yt8m.evaluation.analysis.causes import ANNOTATION_GAP, CAUSES, Explained
from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.evaluation.metrics import gap

LEAST_FOUND = 5


class GapAtStake:
    """Recomputes the GAP of predictions with some of their errors cured."""

    def __init__(self, evaluated: Evaluated):
        self._evaluated = evaluated
        self._typical = typical_confidences(evaluated)

    def cured(self, explained: Explained) -> list[float]:
        """The GAP with each cause cured alone, in the order of CAUSES."""
        return [
            self.when_true(explained) if cause == ANNOTATION_GAP else self.when_found(explained.causes == cause)
            for cause in range(len(CAUSES))
        ]

    def when_found(self, chosen: np.ndarray) -> float:
        """The GAP when some of the missed labels are found: bool [missed]."""
        predictions, missed = self._evaluated.predictions, self._evaluated.missed
        rows, labels = self._evaluated.missed_rows[chosen], predictions.labels[missed][chosen]
        order = np.lexsort((predictions.label_ranks[missed][chosen], rows))
        rows, labels = rows[order], labels[order]
        places = places_of_wrong(self._evaluated.hits, rows)
        left = places >= 0
        return self._with(rows[left], places[left], self._typical[labels[left]])

    def when_true(self, explained: Explained) -> float:
        """The GAP when the wrong labels that annotation gaps are about count as true."""
        gaps = explained.causes == ANNOTATION_GAP
        rows, labels = np.unique([self._evaluated.missed_rows[gaps], explained.blamed[gaps]], axis=1)
        places = np.argmax(self._evaluated.top_labels[rows] == labels[:, None], axis=1)
        return self._with(rows, places, np.zeros(len(rows)), more_labels=len(rows))

    def _with(self, rows: np.ndarray, places: np.ndarray, confidences: np.ndarray, more_labels: int = 0) -> float:
        """GAP with hits at some places, of these confidences or those that stand there, whichever is more."""
        evaluated = self._evaluated
        hits, answers = evaluated.hits.copy(), evaluated.top_confidences.copy()
        hits[rows, places] = True
        answers[rows, places] = np.maximum(answers[rows, places], confidences)
        return gap(answers, hits, len(evaluated.predictions.labels) + more_labels)


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
