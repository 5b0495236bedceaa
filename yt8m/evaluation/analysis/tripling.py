"""Would tripling the hard videos help, and against which cause? The paper tried, gained 0.0001 and could not say why.

Hard videos have exactly one label, or four and more. To see a hard video three times instead of once adds nothing that
was not there; it changes what a label weighs among all label occurrences that are trained on. Of a label on n training
videos, h of them hard, the occurrences grow (n + 2 h) / n times, all of them together F = (N + 2 H) / N times: its
weight grows by the ratio of the two, which cannot be over 3 / F.
"""

from typing import Any

import numpy as np

from yt8m.evaluation.analysis.causes import ANNOTATION_GAP, CAUSES, NO_SIGNAL, Explained
from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.evaluation.evaluate import MANY

TIMES = 3
NOTABLE = 1.2


def tripling(evaluated: Evaluated, explained: Explained) -> dict[str, Any]:
    """What tripling the hard videos reaches.

    Returns:
        `missed_share` and `label_share`: of the missed labels and of all true labels here, the share that lies in
        hard videos; `training`: {video_share, label_share (of the training videos and their labels, what is hard),
        growth (F), largest_weight (3 / F)}, None without a training index; `causes`: for each cause, in the order of
        CAUSES, {cause, missed_share (None without missed labels), weight (mean over its missed labels of how much
        their weight grows, None when unknown), verdict}. Labels without a training video are left out of the mean.
        The verdict is `no` (nothing that repetition could change: no signal in the video, or doubtful labels),
        `hardly` (the weight grows less than 1.2 times), `perhaps`, or None when unknown.
    """
    hard = is_hard(evaluated.predictions.labels_per_video)[evaluated.predictions.label_rows]
    growth = weight_growth(evaluated)
    missed_growth = None if growth is None else growth[evaluated.predictions.labels[evaluated.missed]]
    rows = []
    for number, cause in enumerate(CAUSES):
        mine = explained.causes == number
        weight = None if missed_growth is None else _mean(missed_growth[mine])
        verdict = _verdict(number, weight) if mine.any() else None
        share = _mean(hard[evaluated.missed][mine])
        rows.append({"cause": cause, "missed_share": share, "weight": weight, "verdict": verdict})
    return {
        "missed_share": _mean(hard[evaluated.missed]),
        "label_share": _mean(hard),
        "training": _training_shares(evaluated),
        "causes": rows,
    }


def is_hard(sizes: np.ndarray) -> np.ndarray:
    """Which videos are hard, by their number of labels."""
    return (sizes == 1) | (sizes >= MANY)


def weight_growth(evaluated: Evaluated) -> np.ndarray | None:
    """float64 [V]: how much each label's weight in training grows; NaN for a label without a training video."""
    training = evaluated.training
    if training is None or not len(training.labels):
        return None
    sizes = np.diff(training.bounds)
    hard = np.bincount(training.labels, np.repeat(is_hard(sizes), sizes), evaluated.num_classes)
    counts = evaluated.frequencies
    overall = 1 + (TIMES - 1) * hard.sum() / counts.sum()
    growth = 1 + (TIMES - 1) * np.divide(hard, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return growth / overall


def _training_shares(evaluated: Evaluated) -> dict[str, float] | None:
    training = evaluated.training
    if training is None or not len(training.labels):
        return None
    sizes = np.diff(training.bounds)
    hard = is_hard(sizes)
    labels = float(sizes[hard].sum() / sizes.sum())
    growth = 1 + (TIMES - 1) * labels
    return {
        "video_share": float(hard.mean()), "label_share": labels, "growth": growth, "largest_weight": TIMES / growth,
    }  # fmt: skip


def _verdict(cause: int, weight: float | None) -> str | None:
    if cause in (NO_SIGNAL, ANNOTATION_GAP):
        return "no"
    if weight is None:
        return None
    return "perhaps" if weight >= NOTABLE else "hardly"


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return float(known.mean()) if len(known) else None
