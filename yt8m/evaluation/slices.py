"""The scores of parts of the data: of videos by their number of labels, and of groups of labels.

A group of videos is scored alone. A group of labels is scored as if there were no others: of each video's top 20 count
only the group's labels, and only its true labels count as positives. Hit@1 and PERR of a group of labels are then over
the videos that carry one of them: whether the most confident of the group's labels is true, and the precision among
as many of them as the video has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.evaluation.influence import average_precision_influences, normal_interval
from yt8m.evaluation.label_info import LabelInfo
from yt8m.evaluation.metrics import gap, hit_at_1, mean_average_precision, perr
from yt8m.evaluation.scored_predictions import ScoredPredictions

NUMBERS_OF_LABELS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, None))
LABEL_BUCKETS = ((0, 299), (300, 977), (978, None))
TRAINING_COUNTS = ((0, 0), (1, 9), (10, 99), (100, 999), (1_000, 9_999), (10_000, 99_999), (100_000, None))

Range = tuple[int, int | None]


def by_number_of_labels(scored: ScoredPredictions) -> list[dict[str, Any]]:
    """The metrics of the videos with `first` to `last` labels (None: open), for each range that has videos.

    Each row has `gap` with its 95 % interval `gap_low` to `gap_high`, `map`, `hit_at_1`, `perr`, `videos`,
    `positives` (their true labels) and `missed` (those outside the top 20).
    """
    return [{**ends, **_of_videos(scored, chosen)} for ends, chosen in videos_by_number_of_labels(scored)]


def videos_by_number_of_labels(scored: ScoredPredictions) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """`first`, `last` of each range of numbers of labels that has videos, and which these are: bool [n]."""
    numbers = _in_ranges(scored.predictions.labels_per_video, NUMBERS_OF_LABELS)
    for number in np.unique(numbers[numbers >= 0]).tolist():
        yield _ends(NUMBERS_OF_LABELS[number]), numbers == number


@dataclass(frozen=True)
class Grouping:
    """Labels in groups: `groups` int [V] (at most 255 of them), and what each group is called in a row."""

    groups: np.ndarray
    keys: list[dict[str, Any]]


def label_buckets(num_classes: int) -> Grouping:
    """Labels by their index, in the paper's buckets."""
    return _grouping(np.arange(num_classes), LABEL_BUCKETS)


def training_buckets(labels: LabelInfo) -> Grouping | None:
    """Labels by their number of training videos, in decades; None when it is unknown."""
    return None if labels.training_counts is None else _grouping(labels.training_counts, TRAINING_COUNTS)


def verticals(labels: LabelInfo) -> Grouping | None:
    """Labels by their vertical (an empty text: unknown); None when none is known."""
    if not labels.has_verticals:
        return None
    names, groups = np.unique(labels.verticals, return_inverse=True)
    return Grouping(groups, [{"vertical": str(name)} for name in names])


def by_labels(scored: ScoredPredictions, grouping: Grouping | None) -> list[dict[str, Any]]:
    """`by_label_group` with the keys of each group (`first` and `last`, or `vertical`); empty for no grouping.

    Verticals come with most true labels first.
    """
    if grouping is None:
        return []
    rows = [{**grouping.keys[group], **row} for group, row in by_label_group(scored, grouping.groups)]
    return sorted(rows, key=lambda row: -row["positives"]) if "vertical" in grouping.keys[0] else rows


def by_label_group(scored: ScoredPredictions, groups: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
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
    pairs = PairsByGroup(scored, groups)
    for group in np.flatnonzero(positives).tolist():
        precisions = scored.average_precisions[groups == group]
        yield group, {"labels": len(precisions), **_of_labels(pairs.pairs(group)), "map": float(np.nanmean(precisions))}


@dataclass(frozen=True)
class Pairs:
    """The pairs and true labels of a part of the data, over n videos.

    Attributes:
        confidences, bins, hits: [n, K]; or flat, in the order of videos and places, with `owners`.
        sizes: int [n], true labels of each video.
        owners: int, the video of each pair.
    """

    confidences: np.ndarray
    bins: np.ndarray
    hits: np.ndarray
    sizes: np.ndarray
    owners: np.ndarray | None = None

    @property
    def positives(self) -> int:
        """True labels, also those outside the top 20."""
        return int(self.sizes.sum())

    @property
    def videos(self) -> int:
        """Those that carry a label of the part; its GAP rests on them."""
        return int(np.count_nonzero(self.sizes))

    def gap(self) -> float:
        """The GAP of the part."""
        return gap(self.confidences, self.hits, self.positives)

    def influences(self) -> np.ndarray:
        """The influence of each video on it: float64 [n]."""
        return average_precision_influences(self.bins, self.hits, self.sizes, self.owners)

    def counts(self) -> dict[str, Any]:
        """`gap`, its interval (0 to 1 of too few videos), `positives`, and how many of them the top 20 `missed`."""
        value = self.gap()
        interval = normal_interval(value, self.influences(), videos=self.videos)
        return {
            "gap": value,
            **interval.named("gap"),
            "positives": self.positives,
            "missed": self.positives - int(np.count_nonzero(self.hits)),
        }


class PairsByGroup:
    """The pairs of all videos, by the group of their label.

    Args:
        scored: the predictions.
        groups: int [V], the group of each label, from 0; -1: in none.
    """

    def __init__(self, scored: ScoredPredictions, groups: np.ndarray):
        self.scored = scored
        numbers = (groups + 1).astype(np.min_scalar_type(int(groups.max()) + 1))  # 8 or 16 bits are sorted by counting
        size = int(groups.max()) + 2
        self._places = np.argsort(numbers[scored.top_labels].ravel(), kind="stable")
        self._place_ends = np.cumsum(np.bincount(numbers, scored.label_counts, size)).astype(np.int64)
        self._rows = scored.predictions.label_rows[np.argsort(numbers[scored.predictions.labels], kind="stable")]
        self._row_ends = np.cumsum(np.bincount(numbers, scored.positives, size)).astype(np.int64)

    def places(self, group: int) -> np.ndarray:
        """Where the pairs of a group stand in the flattened top labels: int64, ascending."""
        return self._places[self._place_ends[group] : self._place_ends[group + 1]]

    def rows(self, group: int) -> np.ndarray:
        """The video of each true label of the group: int64, ascending."""
        return self._rows[self._row_ends[group] : self._row_ends[group + 1]]

    def pairs(self, group: int) -> Pairs:
        """The pairs of a group."""
        scored, places = self.scored, self.places(group)
        confidences, bins, hits = (
            values.ravel()[places] for values in (scored.top_confidences, scored.bins, scored.hits)
        )
        sizes = np.bincount(self.rows(group), minlength=len(scored.predictions))
        return Pairs(confidences, bins, hits, sizes, places // scored.k)


def pairs_of_videos(scored: ScoredPredictions, chosen: np.ndarray) -> Pairs:
    """The pairs of some videos: chosen bool [n]."""
    sizes = scored.predictions.labels_per_video[chosen]
    return Pairs(scored.top_confidences[chosen], scored.bins[chosen], scored.hits[chosen], sizes)


def _of_labels(pairs: Pairs) -> dict[str, Any]:
    counts = pairs.counts()
    return {
        "videos": pairs.videos,
        **counts,
        **_first_places(pairs),
        "found": 1 - counts["missed"] / counts["positives"],
    }


def _first_places(pairs: Pairs) -> dict[str, float]:
    """Hit@1 and PERR of the pairs of a group of labels, over the videos that carry one."""
    owners, sizes = pairs.owners, pairs.sizes
    assert owners is not None
    firsts = np.flatnonzero(np.diff(owners, prepend=-1))
    hit_places, hit_owners = np.flatnonzero(pairs.hits), owners[pairs.hits]
    place = hit_places - firsts[np.searchsorted(firsts, hit_places, side="right") - 1]
    among = (place < sizes[hit_owners]) & (pairs.confidences[hit_places] > 0)
    videos = np.count_nonzero(sizes)
    return {
        "hit_at_1": np.count_nonzero(place == 0) / videos,
        "perr": float((1 / sizes[hit_owners[among]]).sum()) / videos,
    }


def _of_videos(scored: ScoredPredictions, chosen: np.ndarray) -> dict[str, Any]:
    table, pairs = scored.predictions, pairs_of_videos(scored, chosen)
    mine = np.repeat(chosen, table.labels_per_video)
    bounds = np.concatenate(([0], np.cumsum(pairs.sizes)))
    positives = np.bincount(table.labels[mine], minlength=scored.num_classes)
    precisions = mean_average_precision(scored.top_labels[chosen], pairs.confidences, pairs.hits, positives)
    return {
        **pairs.counts(),
        "map": precisions,
        "hit_at_1": hit_at_1(pairs.hits),
        "perr": perr(table.label_ranks[mine], table.label_confidences[mine], bounds),
        "videos": len(pairs.sizes),
    }


def _in_ranges(values: np.ndarray, ranges: tuple[Range, ...]) -> np.ndarray:
    """The number of the range that each value lies in; -1: below all of them."""
    return np.searchsorted([first for first, _ in ranges], values, side="right") - 1


def _grouping(values: np.ndarray, ranges: tuple[Range, ...]) -> Grouping:
    return Grouping(_in_ranges(values, ranges), [_ends(bounds) for bounds in ranges])


def _ends(bounds: Range) -> dict[str, int | None]:
    return {"first": bounds[0], "last": bounds[1]}
