"""The scores of parts of the data: of videos by their number of labels, and of groups of labels.

A group of videos is scored alone. A group of labels is scored as if there were no others: of each video's top 20 count
only the group's labels, and only its true labels count as positives. Hit@1 and PERR of a group of labels are then over
the videos that carry one of them: whether the most confident of the group's labels is true, and the precision among
as many of them as the video has.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from yt8m.intervals import average_precision_influences, normal_interval
from yt8m.label_facts import LabelFacts
from yt8m.metrics import gap, hit_at_1, mean_average_precision, perr
from yt8m.scored import Scored

NUMBERS_OF_LABELS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, None))
LABEL_BUCKETS = ((0, 299), (300, 977), (978, None))
TRAINING_COUNTS = ((0, 0), (1, 9), (10, 99), (100, 999), (1_000, 9_999), (10_000, 99_999), (100_000, None))

Range = tuple[int, int | None]


def by_number_of_labels(scored: Scored) -> list[dict[str, Any]]:
    """The metrics of the videos with `first` to `last` labels (None: open), for each range that has videos.

    Each row has `gap` with its 95 % interval `gap_low` to `gap_high`, `map`, `hit_at_1`, `perr`, `videos`,
    `positives` (their true labels) and `missed` (those outside the top 20).
    """
    groups = _in_ranges(scored.predictions.labels_per_video, NUMBERS_OF_LABELS)
    present = [number for number in range(len(NUMBERS_OF_LABELS)) if (groups == number).any()]
    return [{**_ends(NUMBERS_OF_LABELS[number]), **_of_videos(scored, groups == number)} for number in present]


def by_label(scored: Scored) -> list[dict[str, Any]]:
    """`by_label_group` for the labels `first` to `last` (None: open), for each range with true labels."""
    groups = _in_ranges(np.arange(scored.num_classes), LABEL_BUCKETS)
    return _of_ranges(scored, groups, LABEL_BUCKETS)


def by_training_count(scored: Scored, labels: LabelFacts) -> list[dict[str, Any]]:
    """`by_label_group` for the labels with `first` to `last` training videos; empty when these are unknown."""
    if labels.training_counts is None:
        return []
    return _of_ranges(scored, _in_ranges(labels.training_counts, TRAINING_COUNTS), TRAINING_COUNTS)


def by_vertical(scored: Scored, labels: LabelFacts) -> list[dict[str, Any]]:
    """`by_label_group` for each `vertical` (an empty text: unknown), the one with most true labels first."""
    if not labels.has_verticals:
        return []
    names, groups = np.unique(labels.verticals, return_inverse=True)
    rows = [{"vertical": str(names[number]), **row} for number, row in by_label_group(scored, groups)]
    return sorted(rows, key=lambda row: (-row["positives"], row["vertical"]))


def by_label_group(scored: Scored, groups: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
    """The metrics of each group of labels that has true labels, with its number.

    Args:
        scored: the predictions.
        groups: int [V], the group of each label, from 0 to at most 255; -1: in none.

    Yields:
        The group and `labels` (how many it has), `videos` (that carry one), `positives` (true labels), `gap` with its
        95 % interval `gap_low` to `gap_high`, `map`, `hit_at_1`, `perr`, `found` (the share of the true labels that
        is in its video's top 20) and `missed` (how many are not).
    """
    positives = np.bincount(groups[groups >= 0], scored.positives[groups >= 0])
    pairs = _PairsByGroup(scored, groups)
    for group in np.flatnonzero(positives).tolist():
        precisions = scored.average_precisions[groups == group]
        yield group, {"labels": len(precisions), **pairs.metrics(group), "map": float(np.nanmean(precisions))}


class _PairsByGroup:
    """The pairs of all videos' top 20 and the true labels, by the group of their label."""

    def __init__(self, scored: Scored, groups: np.ndarray):
        self.scored = scored
        numbers = (groups + 1).astype(np.uint8)
        of_pairs = numbers[scored.top_labels].ravel()
        self.pairs = np.argsort(of_pairs, kind="stable")  # counts, on 8 bits
        self.pair_ends = np.cumsum(np.bincount(of_pairs, minlength=257))
        of_labels = numbers[scored.predictions.labels]
        self.label_rows = scored.predictions.label_rows[np.argsort(of_labels, kind="stable")]
        self.label_ends = np.cumsum(np.bincount(of_labels, minlength=257))

    def metrics(self, group: int) -> dict[str, Any]:
        scored = self.scored
        places = self.pairs[self.pair_ends[group] : self.pair_ends[group + 1]]
        owners = places // scored.k
        hits, confidences = scored.hits.ravel()[places], scored.top_confidences.ravel()[places]
        rows = self.label_rows[self.label_ends[group] : self.label_ends[group + 1]]
        sizes = np.bincount(rows, minlength=len(scored.predictions))
        influences = average_precision_influences(scored.bins.ravel()[places], hits, sizes, owners)
        found = int(np.count_nonzero(hits))
        return {
            "videos": int(np.count_nonzero(sizes)),
            "positives": len(rows),
            **_gap(confidences, hits, len(rows), influences),
            **_first_places(hits, confidences, owners, sizes),
            "found": found / len(rows),
            "missed": len(rows) - found,
        }


def _first_places(hits: np.ndarray, confidences: np.ndarray, owners: np.ndarray, sizes: np.ndarray) -> dict[str, float]:
    """Hit@1 and PERR of pairs in the order of videos and places; sizes: int [n], true labels of each video."""
    firsts = np.flatnonzero(np.diff(owners, prepend=-1))
    hit_places, hit_owners = np.flatnonzero(hits), owners[hits]
    place = hit_places - firsts[np.searchsorted(firsts, hit_places, side="right") - 1]
    among = (place < sizes[hit_owners]) & (confidences[hit_places] > 0)
    videos = np.count_nonzero(sizes)
    return {
        "hit_at_1": np.count_nonzero(place == 0) / videos,
        "perr": float((1 / sizes[hit_owners[among]]).sum()) / videos,
    }


def _of_videos(scored: Scored, chosen: np.ndarray) -> dict[str, Any]:
    table, hits, confidences = scored.predictions, scored.hits[chosen], scored.top_confidences[chosen]
    sizes = table.labels_per_video[chosen]
    mine = np.repeat(chosen, table.labels_per_video)
    bounds = np.concatenate(([0], np.cumsum(sizes)))
    positives = np.bincount(table.labels[mine], minlength=scored.num_classes)
    return {
        **_gap(confidences, hits, int(bounds[-1]), average_precision_influences(scored.bins[chosen], hits, sizes)),
        "map": mean_average_precision(scored.top_labels[chosen], confidences, hits, positives),
        "hit_at_1": hit_at_1(hits),
        "perr": perr(table.label_ranks[mine], table.label_confidences[mine], bounds),
        "videos": len(sizes),
        "positives": int(bounds[-1]),
        "missed": int(bounds[-1]) - int(np.count_nonzero(hits)),
    }


def _gap(confidences: np.ndarray, hits: np.ndarray, positives: int, influences: np.ndarray) -> dict[str, float]:
    value = gap(confidences, hits, positives)
    interval = normal_interval(value, influences)
    return {"gap": value, "gap_low": interval.low, "gap_high": interval.high}


def _in_ranges(values: np.ndarray, ranges: tuple[Range, ...]) -> np.ndarray:
    """The number of the range that each value lies in; -1: below all of them."""
    return np.searchsorted([first for first, _ in ranges], values, side="right") - 1


def _of_ranges(scored: Scored, groups: np.ndarray, ranges: tuple[Range, ...]) -> list[dict[str, Any]]:
    return [{**_ends(ranges[number]), **row} for number, row in by_label_group(scored, groups)]


def _ends(bounds: Range) -> dict[str, int | None]:
    return {"first": bounds[0], "last": bounds[1]}
