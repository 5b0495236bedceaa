"""GAP@k, Hit@1, PERR and MAP of multi-label predictions: exact, mergeable, NumPy only.

The inputs are those of a predictions file: each video's k most confident labels, and each true label's rank among all
classes and confidence. `Metrics` takes them in batches, or takes whole score matrices, and can be merged with others.

Ties. Equal confidences of one video rank by the lower label index (`yt8m.prediction.top_k`). Equal confidences in a
pool (of all videos for GAP, of a class for MAP) have no order of their own: the value is the mean over all their
orders, in closed form. It lies between the best and the worst order and depends neither on the order of the videos nor
on how they were cut into batches: everything that is kept is an integer, and the pools are sorted before anything is
added up, so any partition of a set gives the same value to the last bit.

Confidences must lie in [0, 1]. NaN, infinities, negative values and values over 1 raise one InputError that names the
row. An excess over 1 of at most 1e-6, the rounding of a float32 sum of probabilities, counts as 1.
"""

from yt8m.evaluation.metrics.functions import (
    RARE_FROM,
    average_precisions,
    gap,
    hit_at_1,
    hits_in_top,
    mean_average_precision,
    perr,
)
from yt8m.evaluation.metrics.streaming import Metrics

__all__ = [
    "RARE_FROM",
    "Metrics",
    "average_precisions",
    "gap",
    "hit_at_1",
    "hits_in_top",
    "mean_average_precision",
    "perr",
]
