"""The causes in words, and what `analysis.json` says about them: shares, remedies, and the GAP at stake.

Would tripling the hard videos help, and against which cause? The paper tried, gained 0.0001 and could not say why.

Hard videos have exactly one label, or four and more. To see a hard video three times instead of once adds nothing that
was not there; it changes what a label weighs among all label occurrences that are trained on. Of a label on n training
videos, h of them hard, the occurrences grow (n + 2 h) / n times, all of them together F = (N + 2 H) / N times: its
weight grows by the ratio of the two, which cannot be over 3 / F.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.evaluation.analysis.causes import (
    ANNOTATION_GAP,
    CAUSES,
    COMPANION_LIFT,
    COMPANION_SHARE,
    CONFIDENT,
    FEW_EXAMPLES,
    LAST_CROWDED_RANK,
    NO_SIGNAL,
    OTHER,
    SURE,
    TOLD_ODDS,
    USUAL_SHARE,
    Explained,
)
from yt8m.evaluation.analysis.evaluated import Evaluated
from yt8m.evaluation.analysis.gap_at_stake import GapAtStake
from yt8m.evaluation.evaluate import MANY


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


@dataclass(frozen=True)
class Words:
    """A cause for people: its name, the rule it goes by, what would help in a phrase, and how to go about it."""

    name: str
    meaning: str
    remedy: str
    how: str


WORDS = (
    Words(
        "No signal in the video",
        f"no label at all reaches {_percent(CONFIDENT)} confidence and {TOLD_ODDS:g} times the odds of its prior (the "
        "share of the training videos that have it): nothing that could not be said without looking",
        "more frames",
        "train on frame-level features in place of one mean a video, or read more frames of each video",
    ),
    Words(
        "Crowded out", f"ranked 21 to {LAST_CROWDED_RANK}: recognised, but 20 other labels were preferred",
        "label relations, or several models averaged",
        "train with a gate over the labels, the model setting probability_gating as in the preset paper-netvlad, or "
        "predict with several models at once: yt8m predict averages them",
    ),
    Words(
        "Too few training examples", "trained on in fewer than {few_below} videos",
        "more training videos with the rare labels",
        "resampling (yt8m rebalance --recipe repeat-factor) shows the few there are more often, which adds no example: "
        "judge its gain by yt8m compare",
    ),
    Words(
        "Probable annotation gap",
        f"a wrong label with a confidence of {_percent(SURE)} or more usually comes with a label that is true here: "
        "probably it is true too, and the annotation is incomplete",
        "corrected labels",
        "have people look at the wrong labels that errors.parquet blames; no training can win this",
    ),
    Words(
        "Confused with a related label",
        "a wrong label of the same vertical (topic), or one that often comes with it, has a confidence of "
        f"{_percent(CONFIDENT)} or more and {TOLD_ODDS:g} times the odds of its prior",
        "label relations, and videos that tell the two apart",
        "train with a gate over the labels (model setting probability_gating); add videos with the one label and "
        "without the other (the pairs are in errors.parquet)",
    ),
    Words(
        "Other", "no other rule fits", "a closer look",
        "look at the example videos of this cause, and at the rows of errors.parquet",
    ),
)  # fmt: skip


def explanation(evaluated: Evaluated, explained: Explained) -> dict[str, Any]:
    """The content of `causes` in `analysis.json`.

    Returns:
        `rules` (their thresholds, see `yt8m.evaluation.analysis.causes`; `few_below` is None when unknown),
        `co_occurrences` (where they were counted), `rows`, `all_found` (GAP if no label were missed), `first` (the
        cause to see to first: of those with a remedy the one with most GAP at stake; None when nothing is missed), and
        `tripling` (see `yt8m.evaluation.analysis.explanation`). A row is {cause, name, meaning, labels (missed by it),
        share, videos (that miss such a label), hard_share (of the missed labels of hard videos, what this cause has),
        one_label_share and four_or_more_share (the same of videos with exactly one label, and with four and more),
        gap_if_cured, at_stake (the gain), remedy, how}, in the order of CAUSES.
    """
    stakes = GapAtStake(evaluated)
    rows = [
        {**_row(evaluated, explained, cause), "gap_if_cured": cured, "at_stake": cured - evaluated.result["gap"],
         "remedy": WORDS[cause].remedy, "how": WORDS[cause].how}
        for cause, cured in enumerate(stakes.cured(explained))
    ]  # fmt: skip
    return {
        "rules": {
            "last_crowded_rank": LAST_CROWDED_RANK,
            "few_below": explained.few_below,
            "confident": CONFIDENT,
            "told_odds": TOLD_ODDS,
            "sure": SURE,
            "companion_share": COMPANION_SHARE,
            "companion_lift": COMPANION_LIFT,
            "usual_share": USUAL_SHARE,
        },
        "co_occurrences": "the training index" if evaluated.training else "the evaluated videos",
        "rows": rows,
        "all_found": stakes.when_found(np.ones(len(explained.causes), np.bool_)),
        "first": _first(rows),
        "tripling": tripling(evaluated, explained),
    }


def _row(evaluated: Evaluated, explained: Explained, cause: int) -> dict[str, Any]:
    mine = explained.causes == cause
    sizes = evaluated.predictions.labels_per_video[evaluated.missed_rows]
    return {
        "cause": CAUSES[cause],
        "name": WORDS[cause].name,
        "meaning": _meaning(cause, explained.few_below),
        "labels": int(mine.sum()),
        "share": _share(mine),
        "videos": len(np.unique(evaluated.missed_rows[mine])),
        "hard_share": _share(mine[is_hard(sizes)]),
        "one_label_share": _share(mine[sizes == 1]),
        "four_or_more_share": _share(mine[sizes >= MANY]),
    }


def _meaning(cause: int, few_below: int | None) -> str:
    if cause == FEW_EXAMPLES and few_below is None:
        return "not judged, because the numbers of training videos are unknown; give the training index"
    return WORDS[cause].meaning.format(few_below=f"{few_below:,}" if few_below else "")


def _share(marked: np.ndarray) -> float | None:
    return float(marked.mean()) if len(marked) else None


def _first(rows: list[dict[str, Any]]) -> str | None:
    known = [row for row in rows if row["labels"] and row["cause"] != CAUSES[OTHER]]
    return max(known, key=lambda row: row["at_stake"])["cause"] if known else None


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
