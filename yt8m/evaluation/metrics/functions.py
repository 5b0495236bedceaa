"""The metrics of arrays that are in memory as a whole."""

import math
from collections import Counter

import numpy as np

from yt8m.evaluation.metrics.pairs import average_precisions_of_sorted, checked, gap_of_sorted, make_pairs, packed


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
    """The mean of the values that are not NaN; 0 when all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
