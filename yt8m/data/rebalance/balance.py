"""How unbalanced a set of videos is, in the numbers that stand before and after a rebalancing."""

import math
from typing import Any

import numpy as np

from yt8m.data.rebalance.facts import Facts

RARE_ABOVE = 977


def gini(counts: np.ndarray) -> float:
    """The Gini coefficient of counts: 0 when all are equal, towards 1 when one has everything.

    With x sorted ascending over n labels: sum_i (2 i - n - 1) x_i / (n sum x), i from 1. 0 of nothing.
    """
    counts = np.sort(np.asarray(counts, dtype=np.float64))
    n, total = len(counts), counts.sum()
    if not total:
        return 0.0
    return float(np.dot(2 * np.arange(1, n + 1) - n - 1, counts) / (n * total))


def head_tail_ratio(counts: np.ndarray, reference: np.ndarray) -> float | None:
    """Occurrences of the head's labels over those of the tail's.

    The head is the tenth of the labels (rounded up) which are most frequent in `reference`, the tail the tenth which
    are least frequent, among the labels that occur in `reference`. None when the tail has no occurrence.
    """
    present = np.flatnonzero(reference)
    order = present[np.argsort(reference[present], kind="stable")]
    tenth = math.ceil(len(order) / 10)
    head, tail = counts[order[len(order) - tenth :]].sum(), counts[order[:tenth]].sum()
    return float(head / tail) if tail else None


def balance(facts: Facts, repeats: np.ndarray, batch_size: int) -> dict[str, Any]:
    """The size and the balance of an epoch.

    Args:
        facts: the videos; head, tail and the labels that count are those of this index.
        repeats: int [n], how often the epoch reads each video.
        batch_size: examples a step.

    Returns:
        `videos` (read at least once) and `share_of_videos` (they are of the index), `examples` and
        `examples_per_video` (of the index), `label_occurrences`, `share_of_rare_labels` (of the occurrences, label
        index > 977), `gini` and `head_tail_ratio` of the label occurrences, `steps_an_epoch`.
    """
    counts = np.bincount(
        facts.index.labels, weights=np.repeat(repeats, facts.labels_per_video), minlength=len(facts.label_counts)
    ).astype(np.int64)
    occurrences, examples = int(counts.sum()), int(repeats.sum(dtype=np.int64))
    videos, everything = int(np.count_nonzero(repeats)), max(len(facts), 1)
    return {
        "videos": videos,
        "share_of_videos": videos / everything,
        "examples": examples,
        "examples_per_video": examples / everything,
        "label_occurrences": occurrences,
        "share_of_rare_labels": float(counts[RARE_ABOVE + 1 :].sum() / occurrences) if occurrences else 0.0,
        "gini": gini(counts[facts.label_counts > 0]),
        "head_tail_ratio": head_tail_ratio(counts, facts.label_counts),
        "steps_an_epoch": -(-examples // batch_size),
    }
