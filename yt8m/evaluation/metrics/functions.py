"""The metrics of arrays that are in memory as a whole."""

import math
from collections import Counter

import numpy as np

from yt8m.errors import InputError
from yt8m.ragged import ragged_positions

RARE_FROM = 977
"""The first of the rare labels, whose MAP is told by itself; label indices are almost in the order of frequency."""


def gap(confidences: np.ndarray, hits: np.ndarray, positives: int) -> float:
    """Global average precision: all pairs in one pool, sum of the precision at each hit over all true labels.

    `GAP = sum_i precision(i) hit(i) / positives` over the pairs i in descending confidence, as the YouTube-8M
    challenges score it (https://www.kaggle.com/c/youtube8m#evaluation). One sort of the integers
    `float32 bits << 1 | hit` does it: the bits of floats in [0, 1] have the order of the floats.

    Args:
        confidences: float32, of any shape, e.g. [n, k] of each video's top k.
        hits: bool, same shape: the label is true.
        positives: true labels of all videos, also those that are not among the pairs.

    Returns:
        GAP in [0, 1]; 0 without positives.

    Raises:
        InputError: a confidence outside [0, 1] or NaN, or more hits than positives.
    """
    if np.shape(confidences) != np.shape(hits):
        raise ValueError(f"confidences {np.shape(confidences)} and hits {np.shape(hits)} differ in shape")
    keys = packed(checked(confidences), hits)
    keys.sort()
    return gap_of_sorted(keys, positives)


def hit_at_1(hits: np.ndarray) -> float:
    """Share of videos whose most confident label is true: hits bool [n, k], most confident first. 0 without videos."""
    return int(np.count_nonzero(hits[:, 0])) / len(hits) if len(hits) else 0.0


def perr(label_ranks: np.ndarray, label_confidences: np.ndarray, bounds: np.ndarray) -> float:
    """Precision at equal recall rate: the mean over videos of the precision at as many labels as the video has.

    A label counts when its rank is at most the video's number of labels and its confidence is over 0; a video without
    labels counts 0 (Abu-El-Haija et al. 2016, arXiv:1609.08675, evaluation metrics).

    Args:
        label_ranks: int [occurrences], rank of each true label among all classes, from 1.
        label_confidences: float32 [occurrences].
        bounds: int [n + 1]; the labels of video i are at `bounds[i]:bounds[i + 1]`.
    """
    return perr_of_counts(perr_counts(label_ranks, label_confidences, bounds), len(bounds) - 1)


def average_precisions(
    labels: np.ndarray, confidences: np.ndarray, hits: np.ndarray, class_positives: np.ndarray
) -> np.ndarray:
    """Average precision of each class over the pairs that reached a video's top k, by its true total.

    Args:
        labels: int [n, k], the class of each pair.
        confidences: float32 [n, k]; hits: bool [n, k].
        class_positives: int [V], videos that carry each class, whether or not it reached the top k.

    Returns:
        float64 [V]; NaN for a class without positives.

    Raises:
        InputError: a confidence outside [0, 1] or NaN, or more hits of a class than positives.
    """
    pairs = make_pairs(labels, checked(confidences), hits)
    pairs.sort()
    return average_precisions_of_sorted(pairs, class_positives)


def mean_average_precision(
    labels: np.ndarray, confidences: np.ndarray, hits: np.ndarray, class_positives: np.ndarray
) -> float:
    """Mean of `average_precisions` over the classes that have positives; 0 when none has."""
    return mean_of_known(average_precisions(labels, confidences, hits, class_positives))


def hits_in_top(label_ranks: np.ndarray, bounds: np.ndarray, k: int) -> np.ndarray:
    """Bool [n, k]: whether place j of video i holds a true label, from the true labels' ranks (as in `perr`)."""
    hits = np.zeros((len(bounds) - 1, k), np.bool_)
    inside = label_ranks <= k
    rows = np.repeat(np.arange(len(hits)), np.diff(bounds))
    hits[rows[inside], label_ranks[inside] - 1] = True
    return hits


def found_among_own_number(label_ranks: np.ndarray, label_confidences: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """int64 [n]: of the L labels of each video, those at rank L or better with a confidence over 0 (see `perr`)."""
    counts = np.diff(bounds)
    rows = np.repeat(np.arange(len(counts)), counts)
    counted = (label_ranks <= counts[rows]) & (label_confidences > 0)
    return np.bincount(rows[counted], minlength=len(counts))


def perr_counts(label_ranks: np.ndarray, label_confidences: np.ndarray, bounds: np.ndarray) -> Counter[tuple[int, int]]:
    """The number of videos by (h, L): of L labels, h > 0 are at rank L or better with a confidence over 0."""
    counts = np.diff(bounds)
    found = found_among_own_number(label_ranks, label_confidences, bounds)
    base = int(counts.max(initial=0)) + 1
    cases, videos = np.unique((found * base + counts)[found > 0], return_counts=True)
    return Counter({divmod(case, base): n for case, n in zip(cases.tolist(), videos.tolist(), strict=True)})


def perr_of_counts(counts: Counter[tuple[int, int]], videos: int) -> float:
    """PERR of the counts of `perr_counts`; the sum is rounded once, so it has no order."""
    return math.fsum(n * found / size for (found, size), n in counts.items()) / videos if videos else 0.0


def mean_of_known(values: np.ndarray) -> float:
    """The mean of the values that are not NaN; 0 when all are, or there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


ROUNDING_EXCESS = 1e-6


def checked(confidences: np.ndarray, first_row: int = 0, rows: np.ndarray | None = None) -> np.ndarray:
    """The confidences as contiguous float32 in [0, 1].

    Args:
        confidences: float, any shape.
        first_row: what the first video is called in the error.
        rows: int, the video of each confidence; by default its place in the first axis.

    Raises:
        InputError: NaN, infinite, negative, or over 1 by more than rounding.
    """
    with np.errstate(over="ignore"):
        confidences = np.ascontiguousarray(confidences, dtype=np.float32)
    if not confidences.size or (confidences.min() >= 0 and confidences.max() <= 1):
        return confidences
    place = np.argwhere(~((confidences >= 0) & (confidences <= 1 + ROUNDING_EXCESS)))
    if not len(place):
        return np.minimum(confidences, np.float32(1))
    row = place[0][0] if rows is None else rows[place[0][0]]
    raise InputError(
        f"row {first_row + row}: confidence {confidences[tuple(place[0])]} is not between 0 and 1; "
        "a model's confidences must be probabilities"
    )


def packed(confidences: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """uint32, flat: bits of the confidence << 1 | hit; the shift drops the sign, so that -0.0 is 0.0."""
    return (confidences.view(np.uint32).ravel() << np.uint32(1)) | np.asarray(hits, np.bool_).ravel()


def make_pairs(labels: np.ndarray, confidences: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """uint64, flat: class << 32 | packed confidence and hit."""
    return (labels.ravel().astype(np.uint64) << np.uint64(32)) | packed(confidences, hits)


def gap_of_sorted(keys: np.ndarray, positives: int) -> float:
    """Average precision of ascending packed keys by the number of true labels; 0 without any.

    Raises:
        InputError: more hits than positives.
    """
    places = np.flatnonzero((keys.astype(np.uint8) & np.uint8(1)).view(np.bool_))  # of the hits
    if len(places) > positives:
        raise InputError(
            f"{len(places)} hits among {positives} true labels; positives must count the labels of every video"
        )
    precisions = np.arange(len(places), 0, -1) / (len(keys) - places)
    _average_ties(keys, places, precisions)
    return float(precisions.sum()) / positives if positives else 0.0


def average_precisions_of_sorted(pairs: np.ndarray, class_positives: np.ndarray) -> np.ndarray:
    """float64 [V]: average precision of each class, of ascending `make_pairs`; NaN for classes without positives."""
    num_classes = len(class_positives)
    bounds = np.searchsorted(pairs, np.arange(num_classes + 1, dtype=np.uint64) << np.uint64(32))
    keys = pairs.astype(np.uint32)
    values = np.full(num_classes, np.nan)
    for label in np.flatnonzero(class_positives):
        values[label] = gap_of_sorted(keys[bounds[label] : bounds[label + 1]], int(class_positives[label]))
    return values


def _average_ties(keys: np.ndarray, places: np.ndarray, precisions: np.ndarray) -> None:
    """Replace the precisions of hits that tie with misses by their expectation over the orders of the tie.

    In a tie of m pairs with h hits, below N pairs with H hits, a given hit is at each place j = 1..m with probability
    1 / m and then has (j - 1) r other hits before it on average, r = (h - 1) / (m - 1). So its expected precision is
    `1/m sum_j (H + 1 + (j - 1) r) / (N + j) = r + (H + 1 - r (N + 1)) / m * sum_j 1 / (N + j)`.

    Args:
        keys: uint32 [N], packed, ascending: the misses of a tie, then its hits.
        places: int [H], positions of the hits in `keys`; precisions: float64 [H], changed in place.
    """
    first, hits, misses = _mixed_ties(keys, places)
    if not len(first):
        return
    pairs = hits + misses
    pairs_above, hits_above = len(keys) - places[first] - hits, len(places) - first - hits
    inverses = np.add.reduceat(1 / ragged_positions(pairs_above + 1, pairs), np.cumsum(pairs) - pairs)
    rate = (hits - 1) / (pairs - 1)
    expected = rate + (hits_above + 1 - rate * (pairs_above + 1)) / pairs * inverses
    precisions[ragged_positions(first, hits)] = np.repeat(expected, hits)


def _mixed_ties(keys: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ties that have hits and misses: position in `places` of their first hit, number of hits, of misses."""
    tied = keys[places]
    starts = np.concatenate(([0], np.flatnonzero(tied[1:] != tied[:-1]) + 1))[: len(places)]
    hits = np.diff(starts, append=len(places))
    lowest = places[starts]
    mixed = (keys[np.maximum(lowest - 1, 0)] ^ keys[lowest]) == 1
    first, hits, lowest = starts[mixed], hits[mixed], lowest[mixed]
    misses = np.ones(len(first), np.int64)
    more = keys[np.maximum(lowest - 2, 0)] == keys[lowest - 1]
    misses[more] = lowest[more] - np.searchsorted(keys, keys[lowest[more] - 1])
    return first, hits, misses
