"""Do confidences mean what they say? Of the pairs with a confidence of about c, a share of c should be right."""

from typing import Any

import numpy as np

BINS = 20


def calibration(confidences: np.ndarray, hits: np.ndarray) -> dict[str, Any]:
    """Reliability of pairs, in bins of equal width.

    Args:
        confidences: float32 in [0, 1], any shape, e.g. of all videos' top 20.
        hits: bool, the same shape: the label is true.

    Returns:
        `bins`: {low, high, pairs, mean_confidence, share_true} of each bin that has pairs; `expected_error`: the mean
        over all pairs of |mean confidence - share true| of their bin (expected calibration error, Guo et al. 2017,
        arXiv:1706.04599, eq. 3); `mean_confidence` and `share_true` of all pairs.
    """
    confidences = confidences.ravel()
    bins = np.minimum((confidences * BINS).astype(np.uint8), BINS - 1)
    pairs = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, confidences, BINS)
    found = np.bincount(bins[hits.ravel()], minlength=BINS)
    rows = [
        {
            "low": i / BINS, "high": (i + 1) / BINS, "pairs": int(pairs[i]),
            "mean_confidence": float(sums[i] / pairs[i]), "share_true": float(found[i] / pairs[i]),
        }
        for i in np.flatnonzero(pairs).tolist()
    ]  # fmt: skip
    return {
        "bins": rows,
        "expected_error": float(np.abs(sums - found).sum() / pairs.sum()),
        "mean_confidence": float(sums.sum() / pairs.sum()),
        "share_true": float(found.sum() / pairs.sum()),
    }
