"""GAP by groups of videos and by groups of labels.

The GAP of a group of videos is that of these videos alone. The GAP of a group of labels takes, of all videos, only the
pairs of these labels (of each video's top 20) and only their occurrences as positives.
"""

from typing import Any

import numpy as np

from yt8m.analysis.evaluated import Evaluated
from yt8m.evaluation import LABEL_BUCKETS, NUMBERS_OF_LABELS
from yt8m.metrics import gap

LABELS_A_VIDEO = tuple(first for first, _ in NUMBERS_OF_LABELS)
LABEL_INDEX = tuple(first for first, _ in LABEL_BUCKETS)
TRAINING_COUNTS = (0, 1, 10, 100, 1_000, 10_000, 100_000)


def by_labels_per_video(evaluated: Evaluated) -> list[dict[str, Any]]:
    """{group, first, last, videos, positives, gap, missed, missed_share} for videos by their number of true labels."""
    sizes = evaluated.predictions.labels_per_video
    rows = []
    for first, last in _ranges(LABELS_A_VIDEO, int(sizes.max())):
        chosen = (sizes >= first) & (sizes <= last)
        if chosen.any():
            positives, missed = int(sizes[chosen].sum()), int(evaluated.missed_per_video[chosen].sum())
            rows.append({
                **_group(first, last),
                "videos": int(chosen.sum()),
                "positives": positives,
                "gap": gap(evaluated.top_confidences[chosen], evaluated.hits[chosen], positives),
                "missed": missed,
                "missed_share": missed / positives,
            })  # fmt: skip
    return rows


def by_label_index(evaluated: Evaluated) -> list[dict[str, Any]]:
    """Groups of labels by index, which is nearly the order of frequency; see `by_label_group`."""
    ranges = _ranges(LABEL_INDEX, evaluated.num_classes - 1)
    starts = [first for first, _ in ranges]
    groups = np.searchsorted(starts, np.arange(evaluated.num_classes), side="right") - 1
    return _with_ranges(by_label_group(evaluated, groups, len(ranges)), ranges)


def by_training_count(evaluated: Evaluated) -> list[dict[str, Any]]:
    """Groups of labels by their number of training videos, in decades; empty when that is unknown."""
    counts = evaluated.labels.training_counts
    if counts is None:
        return []
    ranges = _ranges(TRAINING_COUNTS, int(counts.max()))
    groups = np.searchsorted([first for first, _ in ranges], counts, side="right") - 1
    return [row for row in _with_ranges(by_label_group(evaluated, groups, len(ranges)), ranges) if row["labels"]]


def by_vertical(evaluated: Evaluated) -> list[dict[str, Any]]:
    """Groups of labels by vertical, the one with most true labels first; empty when verticals are unknown."""
    if not evaluated.labels.has_verticals:
        return []
    names, groups = np.unique(evaluated.labels.verticals, return_inverse=True)
    rows = by_label_group(evaluated, groups, len(names))
    named = [{"group": str(name), **row} for name, row in zip(names, rows, strict=True)]
    return sorted(named, key=lambda row: (-row["positives"], row["group"]))


def by_label_group(evaluated: Evaluated, groups: np.ndarray, number: int) -> list[dict[str, Any]]:
    """{labels, training_share, positives, gap, map, missed, missed_share} of each group of labels.

    Args:
        evaluated: the predictions.
        groups: int [V], the group of each label, 0 to number - 1.
        number: of groups.

    Ratios without a denominator are None. `training_share` is the group's share of all training occurrences.
    """
    pairs = groups[evaluated.top_labels]
    training = np.bincount(groups, evaluated.frequencies, number) / max(1, evaluated.frequencies.sum())
    rows = []
    for group in range(number):
        inside, mine = pairs == group, groups == group
        positives = int(evaluated.positives[mine].sum())
        hits = evaluated.hits[inside]
        missed = positives - int(hits.sum())
        rows.append({
            "labels": int(mine.sum()),
            "training_share": float(training[group]),
            "positives": positives,
            "gap": gap(evaluated.top_confidences[inside], hits, positives) if positives else None,
            "map": _mean_known(evaluated.average_precisions[mine]),
            "missed": missed,
            "missed_share": missed / positives if positives else None,
        })  # fmt: skip
    return rows


def _mean_known(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _ranges(starts: tuple[int, ...], largest: int) -> list[tuple[int, int]]:
    starts = tuple(start for start in starts if start <= largest)
    ends = [*(start - 1 for start in starts[1:]), largest]
    return list(zip(starts, ends, strict=True))


def _with_ranges(rows: list[dict[str, Any]], ranges: list[tuple[int, int]]) -> list[dict[str, Any]]:
    return [{**_group(first, last), **row} for (first, last), row in zip(ranges, rows, strict=True)]


def _group(first: int, last: int) -> dict[str, Any]:
    return {"group": f"{first:,}" if first == last else f"{first:,}–{last:,}", "first": first, "last": last}
