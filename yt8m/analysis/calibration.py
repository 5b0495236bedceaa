"""Do confidences mean what they say? Of the pairs with a confidence of about c, a share of c should be right."""

from typing import Any

import numpy as np

from yt8m.analysis.evaluated import Evaluated

BINS = 20


def calibration(evaluated: Evaluated) -> dict[str, Any]:
    """Reliability over the pairs of all videos' top 20, in bins of equal width.

    Returns:
        `bins`: {low, high, pairs, mean_confidence, share_true} of each bin that has pairs; `expected_error`: the mean
        over all pairs of |mean confidence - share true| of their bin (expected calibration error, Guo et al. 2017,
        arXiv:1706.04599, eq. 3); `mean_confidence` and `share_true` of all pairs.
    """
    confidences = evaluated.top_confidences.ravel()
    bins = np.minimum((confidences * BINS).astype(np.uint8), BINS - 1)
    pairs = np.bincount(bins, minlength=BINS)
    sums = np.bincount(bins, confidences, BINS)
    hits = np.bincount(bins[evaluated.hits.ravel()], minlength=BINS)
    rows = [
        {
            "low": i / BINS, "high": (i + 1) / BINS, "pairs": int(pairs[i]),
            "mean_confidence": float(sums[i] / pairs[i]), "share_true": float(hits[i] / pairs[i]),
        }
        for i in np.flatnonzero(pairs).tolist()
    ]  # fmt: skip
    return {
        "bins": rows,
        "expected_error": float(np.abs(sums - hits).sum() / pairs.sum()),
        "mean_confidence": float(sums.sum() / pairs.sum()),
        "share_true": float(hits.sum() / pairs.sum()),
    }
