"""The bootstrap of GAP, the slow way to what `influence` has in one pass: score anew, with videos drawn anew."""

import numpy as np

from yt8m.evaluation.influence import Interval, confidence_bins, places, pooled_average_precision, without_gaps
from yt8m.evaluation.metrics import hits_in_top
from yt8m.prediction.table import Predictions


def bootstrap_gaps(predictions: Predictions, replicates: int, seed: int = 0) -> np.ndarray:
    """GAP@20 of each of many sets of n videos drawn from the n of the predictions, with replacement: float64.

    The same seed draws the same sets for all predictions of as many videos, so that two can be compared in pairs.
    Confidences count by their bins (see `yt8m.evaluation.influence.confidence_bins`), which saves the sorting.
    """
    k, n = places(predictions), len(predictions)
    bins = without_gaps(confidence_bins(predictions.top_confidences[:, :k]))
    hits = np.flatnonzero(hits_in_top(predictions.label_ranks, predictions.bounds, k).ravel())
    positives = predictions.labels_per_video
    random = np.random.default_rng(seed)
    gaps = np.empty(replicates)
    for replicate in range(replicates):
        times = np.bincount(random.integers(0, n, n), minlength=n)
        pairs = np.bincount(bins, np.repeat(times, k))
        found = np.bincount(bins[hits], times[hits // k], len(pairs))
        gaps[replicate] = pooled_average_precision(pairs, found, int(times @ positives))
    return gaps


def percentile_interval(values: np.ndarray) -> Interval:
    """The middle 95 % of the replicates."""
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
