"""What the model says instead of the labels that it misses.

The strength of a confusion of label A with label B: over the videos whose top 20 misses A, the mean of the confidence
given to B where B is a wrong label of the top 20, and 0 elsewhere. It is high when B stands there often and surely.
"""

import numpy as np
import pandas as pd

from yt8m.evaluation.analysis.causes import CAUSES, Explained
from yt8m.evaluation.analysis.evaluated import Evaluated

CHUNK = 500_000
PER_LABEL = 3
VERTICALS = 15
OTHERS = "all others"


def count_confusions(evaluated: Evaluated) -> pd.DataFrame:
    """All confusions, by label, the strongest first.

    Columns: `label` (missed), `instead` (wrong, in the top 20), `videos` (with both), `weight` (sum of the confidence
    of `instead` over them), `strength` (weight over the number of videos that miss `label`).
    """
    labels, rows = evaluated.predictions.labels[evaluated.missed], evaluated.missed_rows
    missed, places = np.unique(labels, return_inverse=True)
    size = len(missed) * evaluated.num_classes
    videos, weights = np.zeros(size, np.int64), np.zeros(size)
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        wrong = ~evaluated.hits[rows[chunk]]
        codes = (places[chunk, None] * evaluated.num_classes + evaluated.top_labels[rows[chunk]])[wrong]
        videos += np.bincount(codes, minlength=size)
        weights += np.bincount(codes, evaluated.top_confidences[rows[chunk]][wrong], size)
    codes = np.flatnonzero(videos)
    place, instead = np.divmod(codes, evaluated.num_classes)
    order = np.lexsort((instead, -weights[codes], place))
    codes, place, instead = codes[order], place[order], instead[order]
    return pd.DataFrame({
        "label": missed[place],
        "instead": instead,
        "videos": videos[codes],
        "weight": weights[codes],
        "strength": weights[codes] / np.bincount(places, minlength=len(missed))[place],
    })  # fmt: skip


def strongest(confusions: pd.DataFrame, per_label: int = PER_LABEL) -> pd.DataFrame:
    """The first few confusions of each label; the table is sorted as `count_confusions` returns it."""
    return confusions[confusions.groupby("label").cumcount() < per_label]


def between_verticals(evaluated: Evaluated, confusions: pd.DataFrame) -> tuple[list[str], np.ndarray, np.ndarray]:
    """How the weight of the confusions of each vertical's labels is spread over the verticals of the wrong labels.

    Returns:
        The verticals by number of missed labels, the largest first, the small ones in one; float64 [v, v], each row's
        sum is 1 (or 0 when nothing was said instead); int64 [v], missed labels of each vertical.
    """
    verticals, of_label = np.unique(evaluated.labels.verticals, return_inverse=True)
    missed = np.bincount(of_label[evaluated.predictions.labels[evaluated.missed]], minlength=len(verticals))
    order = np.lexsort((np.arange(len(verticals)), -missed))
    names = [str(verticals[i]) for i in order[:VERTICALS]] + [OTHERS] * (len(verticals) > VERTICALS)
    size = len(names)
    place = np.minimum(np.argsort(order), size - 1)[of_label]
    missed = np.bincount(place[evaluated.predictions.labels[evaluated.missed]], minlength=size)
    codes = place[confusions["label"].to_numpy()] * size + place[confusions["instead"].to_numpy()]
    weights = np.bincount(codes, confusions["weight"].to_numpy(), size * size).reshape(size, size)
    return names, weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-30), missed


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
