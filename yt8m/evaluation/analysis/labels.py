"""The quality of each label: the content of `labels.csv`."""

import numpy as np
import pandas as pd

from yt8m.evaluation.analysis.causes import CAUSES, Explained
from yt8m.evaluation.analysis.confusions import strongest
from yt8m.evaluation.analysis.evaluated import Evaluated


def label_table(evaluated: Evaluated, confusions: pd.DataFrame, explained: Explained) -> pd.DataFrame:
    """A row for each of the V labels, by index.

    Columns: `label`, `name`, `vertical`; `training_count` (missing when unknown) and `positives` (evaluated videos
    with the label); `average_precision` (over the pairs that reached a video's top 20, by all positives);
    `precision_at_20` (of the videos with the label among their top 20, the share where it is true) and `recall_at_20`
    (of the videos with the label, the share with it among their top 20); `missed` and `mean_rank_when_missed`;
    `main_cause` (of most of its misses, the first in the order of the rules where several are; empty without misses);
    `confusions` (the strongest, as `name strength; ...`). A value that nothing defines is NaN.
    """
    places, found = _counts(evaluated, evaluated.top_labels), _counts(evaluated, evaluated.top_labels[evaluated.hits])
    missed = evaluated.positives - found
    missed_labels = evaluated.predictions.labels[evaluated.missed]
    ranks = np.bincount(missed_labels, evaluated.predictions.label_ranks[evaluated.missed], evaluated.num_classes)
    facts = evaluated.labels
    known = facts.training_counts is not None
    return pd.DataFrame({
        "label": np.arange(evaluated.num_classes),
        "name": facts.names,
        "vertical": facts.verticals,
        "training_count": pd.array(facts.training_counts if known else [pd.NA] * evaluated.num_classes, "Int64"),
        "positives": evaluated.positives,
        "average_precision": evaluated.average_precisions,
        "precision_at_20": _ratio(found, places),
        "recall_at_20": _ratio(found, evaluated.positives),
        "missed": missed,
        "mean_rank_when_missed": _ratio(ranks, missed),
        "main_cause": _main_causes(evaluated, explained),
        "confusions": _confusion_texts(evaluated, confusions),
    })  # fmt: skip


def _counts(evaluated: Evaluated, labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=evaluated.num_classes)


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)


def _main_causes(evaluated: Evaluated, explained: Explained) -> list[str]:
    codes = evaluated.predictions.labels[evaluated.missed] * np.int64(len(CAUSES)) + explained.causes
    counts = np.bincount(codes, minlength=evaluated.num_classes * len(CAUSES)).reshape(-1, len(CAUSES))
    some = counts.sum(axis=1) > 0
    return [CAUSES[cause] if missed else "" for cause, missed in zip(counts.argmax(axis=1), some, strict=True)]


def _confusion_texts(evaluated: Evaluated, confusions: pd.DataFrame) -> list[str]:
    texts: dict[int, list[str]] = {}
    for row in strongest(confusions).itertuples(index=False):
        texts.setdefault(row.label, []).append(f"{evaluated.labels.names[row.instead]} {row.strength:.2f}")
    return ["; ".join(texts.get(label, [])) for label in range(evaluated.num_classes)]
