"""The difference in GAP@20 of two models over the same videos, with its paired interval and a verdict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from yt8m.errors import InputError
from yt8m.evaluation.influence import gap_influences, normal_interval, places
from yt8m.evaluation.metrics import gap, hits_in_top
from yt8m.prediction.table import Predictions, taken

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


def matched(a: Predictions, b: Predictions) -> Predictions:
    """`b` with its videos in the order of `a`; both have the same videos, with the same true labels.

    Raises:
        InputError: they do not, or have no labels, or another number of classes.
    """
    classes = [int(table.metadata["num_classes"]) for table in (a, b)]
    if classes[0] != classes[1]:
        raise InputError(
            f"the first predictions are of {classes[0]:,} classes, the second of {classes[1]:,}; "
            "compare models of the same vocabulary"
        )
    if not np.array_equal(a.video_ids, b.video_ids):
        b = taken(b, _rows_of(a.video_ids, b.video_ids))
    _require_same_labels(a, b)
    return b


def _rows_of(wanted: np.ndarray, held: np.ndarray) -> np.ndarray:
    """The row of `held` with each id of `wanted`; each must have the other's ids, once."""
    orders = [np.argsort(ids, kind="stable") for ids in (wanted, held)]
    lists = [wanted[orders[0]], held[orders[1]]]
    for which, ids in zip(("first", "second"), lists, strict=True):
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        if len(twice):
            raise InputError(f"the {which} predictions list video {_text(ids[twice[0]])} twice; predict it once")
    if not np.array_equal(lists[0], lists[1]):
        _refuse_other_videos(lists[0], lists[1])
    rows = np.empty(len(wanted), np.int64)
    rows[orders[0]] = orders[1]
    return rows


def _refuse_other_videos(first: np.ndarray, second: np.ndarray) -> None:
    missing = np.setdiff1d(first, second, assume_unique=True)
    added = np.setdiff1d(second, first, assume_unique=True)
    example = f"such as {_text((missing if len(missing) else added)[0])}"
    raise InputError(
        f"the predictions are of different videos: {len(missing):,} of the first's {len(first):,} are not in the "
        f"second, {len(added):,} of the second's {len(second):,} are not in the first ({example}); "
        "predict the same index with both models"
    )


def _require_same_labels(a: Predictions, b: Predictions) -> None:
    if not len(a.labels) and not len(b.labels):
        raise InputError(
            f"none of the {len(a):,} videos has labels (the test partition?); compare predictions of labelled videos"
        )
    other = np.flatnonzero(a.labels_per_video != b.labels_per_video)
    if not len(other):
        rows = a.label_rows
        other = rows[_sorted_labels(a) != _sorted_labels(b)]
    if len(other):
        raise InputError(
            f"video {_text(a.video_ids[other[0]])} has other true labels in the second predictions than in the first; "
            "predict the same index with both models"
        )


def _sorted_labels(predictions: Predictions) -> np.ndarray:
    """Video and label of each true label as one number, in order."""
    return np.sort(predictions.label_rows * int(predictions.metadata["num_classes"]) + predictions.labels)


def _text(video_id: bytes) -> str:
    return video_id.decode("utf-8", "replace")
