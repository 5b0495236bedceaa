"""The difference in GAP@20 of two models over the same videos, with its paired interval and a verdict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from yt8m.evaluation.comparison.match import matched
from yt8m.evaluation.influence import gap_influences, normal_interval, places
from yt8m.evaluation.metrics import gap, hits_in_top
from yt8m.prediction.table import Predictions

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class GapDifference:
    """How much higher the GAP@20 of predictions B is than that of A.

    Attributes:
        difference: GAP of B minus GAP of A.
        low, high: its 95 % interval over videos.
        verdict: on B: `better` or `worse` when the interval excludes 0, else `cannot tell`.
    """

    difference: float
    low: float
    high: float
    verdict: Verdict


def compare_gap(a: Predictions, b: Predictions) -> GapDifference:
    """The difference in GAP@20, B minus A, judged over the same videos (joined by their ids, in any order).

    The interval is that of the differences of the influences of each video (see `yt8m.evaluation.influence`): what both
    models find easy or hard cancels, so that it is far narrower than the intervals of the two scores.

    Raises:
        InputError: other videos, other classes, other true labels, no true labels, fewer than 20 places, or a
            confidence that is none.
    """
    b = matched(a, b)
    return judged(gap_of(b) - gap_of(a), gap_influences(b) - gap_influences(a))


def judged(difference: float, influences: np.ndarray, videos: int | None = None) -> GapDifference:
    """A difference of scores and the verdict on it.

    Args:
        difference: of the scores.
        influences: float [n], of each video on the difference.
        videos: how many it rests on, if not all n; fewer than `LEAST_VIDEOS` tell nothing.
    """
    interval = normal_interval(difference, influences, least=-1.0, videos=videos)
    return GapDifference(difference, interval.low, interval.high, verdict_on(interval.low, interval.high))


def verdict_on(low: float, high: float) -> Verdict:
    """What an interval of a difference says."""
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def gap_of(predictions: Predictions) -> float:
    """GAP@20 (of all classes, when there are fewer)."""
    k = places(predictions)
    hits = hits_in_top(predictions.label_ranks, predictions.bounds, k)
    return gap(predictions.top_confidences[:, :k], hits, len(predictions.labels))
