"""Which labels one model ranks better than another: a paired interval each, and how many can be told from chance.

A label's score is its average precision, and a video's influence on it is that of `yt8m.evaluation.influence` over the
label's own pairs. Among thousands of labels many intervals exclude 0 by chance alone, so which labels are called
different is decided for all together: by Holm's procedure (Holm 1979, Scandinavian Journal of Statistics 6), with which
the chance of calling even one label different that is not is at most 5 %.
"""

import math
from dataclasses import dataclass

import numpy as np

from yt8m.evaluation.influence import LEAST_VIDEOS, NORMAL_95, pair_effects
from yt8m.evaluation.metrics import RARE_FROM
from yt8m.evaluation.scored_predictions import ScoredPredictions
from yt8m.evaluation.slices import PairsByGroup

LEAST_POSITIVES = LEAST_VIDEOS
LEVEL = 0.05


@dataclass(frozen=True)
class LabelDifferences:
    """The labels' average precisions by two models over the same n videos; float64 [V], NaN where no video has one.

    Attributes:
        a, b: the average precisions.
        standard_errors: of `b - a`.
        tested: bool [V], whether enough videos have the label for an interval to mean something.
        different: bool [V], whether the label differs, judged together with all that are tested.
        map_influences: float64 [n], of each video on the difference of the MAPs, as their variance needs them (see
            `_on_map`); map_rare_influences: the same of the rare labels' alone.
    """

    a: np.ndarray
    b: np.ndarray
    standard_errors: np.ndarray
    tested: np.ndarray
    different: np.ndarray
    map_influences: np.ndarray
    map_rare_influences: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        """How much higher the average precision of B is."""
        return self.b - self.a

    @property
    def margins(self) -> np.ndarray:
        """Half the width of each label's own 95 % interval."""
        return NORMAL_95 * self.standard_errors


def label_differences(a: ScoredPredictions, b: ScoredPredictions) -> LabelDifferences:
    """Compare two models label by label; their videos are the same, in the same order."""
    errors, *map_influences = _paired_errors(a, b)
    tested = a.positives >= LEAST_POSITIVES
    differences = b.average_precisions - a.average_precisions
    different = np.zeros(len(tested), np.bool_)
    different[tested] = holm(p_values(differences[tested], errors[tested]))
    return LabelDifferences(a.average_precisions, b.average_precisions, errors, tested, different, *map_influences)


def p_values(differences: np.ndarray, standard_errors: np.ndarray) -> np.ndarray:
    """How probable so large a difference is where there is none, on either side; 1 where nothing varies."""
    scores = np.divide(np.abs(differences), standard_errors, out=np.zeros(len(differences)), where=standard_errors > 0)
    return np.array([math.erfc(score / math.sqrt(2)) for score in scores.tolist()])


def holm(p: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Which of m hypotheses are rejected so that the chance of even one wrong rejection is at most `level`.

    In ascending order, the i-th smallest (from 0) must be at most `level / (m - i)`; the first that is not, and all
    after it, stay.
    """
    order = np.argsort(p, kind="stable")
    passed = p[order] <= level / np.arange(len(p), 0, -1)
    rejected = np.zeros(len(p), np.bool_)
    rejected[order[np.logical_and.accumulate(passed)]] = True
    return rejected


def _paired_errors(a: ScoredPredictions, b: ScoredPredictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard error of each label's difference, NaN without positives; the influences on that of the MAPs, of all
    labels and of the rare ones.
    """
    n, known = len(a.predictions), np.flatnonzero(a.positives)
    groups = np.arange(a.num_classes)
    sides = [PairsByGroup(scored, groups) for scored in (a, b)]
    errors, difference = np.full(a.num_classes, np.nan), np.zeros(n)
    gains = b.average_precisions - a.average_precisions
    maps = [_MapInfluences(n, gains[part]) for part in (known, known[known >= RARE_FROM])]
    for label in known.tolist():
        (rows_a, values_a), (rows_b, values_b) = (_influences(side, label) for side in sides)
        difference[rows_a] = -values_a
        difference[rows_b] += values_b
        owners = sides[0].rows(label)
        rows = np.union1d(rows_a, rows_b)
        for influences in maps[: 1 + (label >= RARE_FROM)]:
            influences.add(rows, difference[rows], owners, difference[owners], gains[label])
        total = np.square(difference[rows]).sum()
        difference[rows] = 0
        errors[label] = np.sqrt(total * n / (n - 1)) if n > 1 else np.inf
    return errors, maps[0].mean(), maps[1].mean()


class _MapInfluences:
    """The influences of n videos on the difference of the MAPs over some labels, whose gains are given."""

    def __init__(self, n: int, gains: np.ndarray):
        self._sums, self._labels = np.zeros(n), len(gains)
        self._mean_gain = float(gains.mean()) if len(gains) else 0.0

    def add(self, rows: np.ndarray, values: np.ndarray, owners: np.ndarray, own: np.ndarray, gain: float) -> None:
        """Count a label: the influences `values` of the videos in `rows`, among them `own` of those that have it."""
        self._sums[rows] += values
        self._sums[owners] += _on_map(own, gain - self._mean_gain) - own

    def mean(self) -> np.ndarray:
        """float64 [n]."""
        return self._sums / max(1, self._labels)


def _on_map(own: np.ndarray, gain: float) -> np.ndarray:
    """What the videos with a label count towards the variance of the difference of the MAPs.

    The MAP gives a label of a single video as much weight as a frequent one, and most labels have a handful. The sum of
    the squared influences of a label's P videos is (P - 1) / P of the variance that P others would have shown, and
    nothing for P = 1. So they are widened to what is unbiased; and of a label with one video, which most other videos
    would not have shown at all, the gain counts by which it differs from the mean over the labels, as it does when this
    video is left out and the label with it.

    Args:
        own: float [P], the influence of each on the difference of the label's average precision.
        gain: that difference, minus its mean over the labels.
    """
    return np.array([gain]) if len(own) == 1 else own * np.sqrt(len(own) / (len(own) - 1))


def _influences(side: PairsByGroup, label: int) -> tuple[np.ndarray, np.ndarray]:
    """The videos that have an influence on a label's average precision, each once, and their influences."""
    places, rows = side.places(label), side.rows(label)
    hits = side.scored.hits.ravel()[places]
    effects, value = pair_effects(side.scored.bins.ravel()[places], hits, len(rows))
    effects[hits] -= value / len(rows)
    owners = places // side.scored.k
    missed = np.setdiff1d(rows, owners[hits], assume_unique=True)
    return np.concatenate((owners, missed)), np.concatenate((effects, np.full(len(missed), -value / len(rows))))
