"""How much a score of predictions would vary with other videos: 95 % intervals by influence functions, in one pass.

A score is computed from n videos that were drawn from all videos there could be. The influence of a video on it is
what the score would gain, to first order, if that video counted a little more; the influences of all videos sum to
zero, and the square root of the sum of their squares is the score's standard error (the infinitesimal jackknife;
Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6). Two predictions of the same videos are
compared by the differences of their influences, so that what both find hard cancels.

It is ours because what libraries have is the bootstrap, which scores a thousand times anew: an hour for two models on
1.1 million videos, where this takes seconds (docs/performance.md).
"""

from dataclasses import dataclass

import numpy as np

from yt8m.errors import InputError
from yt8m.evaluation.metrics import hits_in_top
from yt8m.evaluation.metrics.functions import checked, found_among_own_number
from yt8m.prediction.table import Predictions
from yt8m.prediction.top_k import TOP

NORMAL_95 = 1.959963984540054
LEAST_VIDEOS = 30
DROPPED_BITS = 13
FEW_PAIRS = 20_000
HALF_BIN = int(np.float32(0.5).view(np.uint32)) >> DROPPED_BITS


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float

    def named(self, name: str) -> dict[str, float]:
        """Its ends as results and pages have them: `NAME_low` and `NAME_high`."""
        return {f"{name}_low": self.low, f"{name}_high": self.high}


def normal_interval(
    value: float, influences: np.ndarray, *, least: float = 0.0, most: float = 1.0, videos: int | None = None
) -> Interval:
    """The 95 % interval of a score: `value` ± 1.96 standard errors, cut off at the score's own limits.

    Of fewer than `LEAST_VIDEOS` videos the influences do not tell the variance (two hits of two would leave no width at
    all), so the interval is all that the score could be, and no difference is told.

    Args:
        value: the score.
        influences: float [n], of each video on it.
        least, most: the limits of the score.
        videos: how many the score rests on, where these are not all n: those that carry one of a group's labels.
    """
    if (len(influences) if videos is None else videos) < LEAST_VIDEOS:
        return Interval(least, most)
    margin = NORMAL_95 * standard_error(influences)
    return Interval(max(least, value - margin), min(most, value + margin))


def share_interval(share: float, videos: int) -> Interval:
    """The 95 % interval of the share of n videos that have something, such as Hit@1: by Wilson, 0 to 1 without videos.

    Where all have it, or none, the normal interval has no width; this one reaches `z^2 / (n + z^2)` further (Wilson
    1927, Journal of the American Statistical Association 22). From some hundred videos on the two are the same.
    """
    if not videos:
        return Interval(0.0, 1.0)
    squared = NORMAL_95**2 / videos
    centre = (share + squared / 2) / (1 + squared)
    margin = np.sqrt(squared * (share * (1 - share) + squared / 4)) / (1 + squared)
    return Interval(max(0.0, float(centre - margin)), min(1.0, float(centre + margin)))


def standard_error(influences: np.ndarray) -> float:
    """`sqrt(n / (n - 1) sum influence^2)` of the influences of n videos; infinite for fewer than two."""
    n = len(influences)
    return float(np.sqrt(n / (n - 1) * np.square(influences).sum())) if n > 1 else float("inf")


def gap_influences(predictions: Predictions) -> np.ndarray:
    """The influence of each video on GAP@20 (of all classes, when there are fewer): float64 [n], summing to 0.

    See `average_precision_influences` for the derivation.

    Raises:
        InputError: a confidence outside [0, 1] or NaN.
    """
    k = places(predictions)
    hits = hits_in_top(predictions.label_ranks, predictions.bounds, k)
    bins = confidence_bins(predictions.top_confidences[:, :k])
    return average_precision_influences(bins.reshape(hits.shape), hits, predictions.labels_per_video)


def hit_at_1_influences(predictions: Predictions) -> np.ndarray:
    """The influence of each video on Hit@1: float64 [n]."""
    return mean_influences(hits_in_top(predictions.label_ranks, predictions.bounds, 1)[:, 0])


def perr_influences(predictions: Predictions) -> np.ndarray:
    """The influence of each video on PERR: float64 [n]."""
    found = found_among_own_number(predictions.label_ranks, predictions.label_confidences, predictions.bounds)
    return mean_influences(found / np.maximum(predictions.labels_per_video, 1))


def mean_influences(values: np.ndarray) -> np.ndarray:
    """The influence of each video on the mean of a value that each has for itself: `(x_v - mean) / n`."""
    return (values - values.mean()) / len(values) if len(values) else np.zeros(0)


def average_precision_influences(
    bins: np.ndarray, hits: np.ndarray, positives: np.ndarray, owners: np.ndarray | None = None
) -> np.ndarray:
    r"""The influence of each video on the average precision of a pool of its and others' pairs, such as GAP.

    Let video v contribute pairs (confidence c, hit or not) and `P_v` true labels. Over all videos, let `N(t)` and
    `H(t)` be the numbers of pairs and of hits with a confidence of t or more, and P the number of true labels. Then

        GAP = A / P,   A = integral of H(t) / N(t) dH(t)                                                     (1)

    over the hits. Give video v the weight 1 + e instead of 1: N, H and P become `N + e N_v`, `H + e H_v`, `P + e P_v`,
    where `N_v`, `H_v` are the counts of v alone. The derivative of (1) at e = 0 is the influence of v,

        psi_v = (1 / P) [ sum over hits j of v of (H / N)(c_j)      v's own hits, at their precision
                        + sum over hits j of v of W1(c_j)           they raise the precision of the hits below them,
                        - sum over pairs j of v of W2(c_j)          and all its pairs lower it
                        - GAP P_v ],                                the labels it adds to be found              (2)

        W1(c) = integral over t <= c of dH / N,    W2(c) = integral over t <= c of H / N^2 dH,

    where the last two come from d(H / N) = dH / N - H dN / N^2 and a change of the order of summation. As A is
    homogeneous of degree one in (N, H), the psi_v add up to `(A - GAP P) / P` = 0 by Euler's theorem.

    Pairs whose confidences fall into one bin are a tie, whose order is undefined (see `yt8m.evaluation.metrics`): in a
    tie of m pairs with h hits (r = h / m), below N pairs with H hits, the pairs come at a steady rate, so that the tie
    adds

        a = integral from 0 to 1 of (H + s h) / (N + s m) h ds = h r + r (H - r N) L,   L = log(1 + m / N)    (3)

    to A. (2) then follows from the partial derivatives of (3): a hit of v in the tie counts da/dh and a pair da/dm,
    and for each tie below it a hit counts da/dH and a pair da/dN. Bins stand for the order within one part in a
    thousand of the confidence; the sums need no sort.

    Args:
        bins: int [n, k], the k pairs of each video, as `confidence_bins` makes them; or [pairs] with `owners`.
        hits: bool, the same shape.
        positives: int [n], true labels of each video, also those that are not among the pairs.
        owners: int [pairs], the video of each pair.

    Returns:
        float64 [n]; zeros when there are no positives.
    """
    total = int(positives.sum())
    if not total:
        return np.zeros(len(positives))
    effects, value = pair_effects(bins, hits, total)
    sums = effects.sum(axis=1) if owners is None else np.bincount(owners, effects, len(positives))
    return sums - value / total * positives


def pair_effects(bins: np.ndarray, hits: np.ndarray, positives: int) -> tuple[np.ndarray, float]:
    """The part of (2) that each pair adds to its video's influence, and the average precision by (3).

    Args:
        bins: int, any shape; hits: bool, the same shape.
        positives: P, at least 1.

    Returns:
        float64 of that shape; what remains of (2) is - GAP P_v / P.
    """
    if bins.size < FEW_PAIRS:  # far fewer than bins
        bins = np.unique(bins, return_inverse=True)[1].reshape(bins.shape)
    hit_places = np.flatnonzero(hits)
    hit_bins = bins.ravel()[hit_places]
    pairs = np.bincount(bins.ravel())
    found = np.bincount(hit_bins, minlength=len(pairs))
    of_pair, of_hit = (values / positives for values in _effects(pairs, found))
    effects = of_pair[bins]
    effects.ravel()[hit_places] += of_hit[hit_bins]
    return effects, pooled_average_precision(pairs, found, positives)


def confidence_bins(confidences: np.ndarray) -> np.ndarray:
    """The bin of each confidence, ascending with it: int32, flat, from 0 to `2 HALF_BIN`.

    Below one half a bin is the float's exponent and the first 10 bits of its mantissa, above it the same of
    1 - confidence, so that confidences near 0 and near 1 are told apart as well as they can be.

    Raises:
        InputError: a confidence outside [0, 1] or NaN.
    """
    values = checked(confidences).ravel()
    low = np.abs(values).view(np.int32) >> DROPPED_BITS
    high = 2 * HALF_BIN - ((np.float32(1) - values).view(np.int32) >> DROPPED_BITS)
    return np.where(low < HALF_BIN, low, high)


def without_gaps(bins: np.ndarray) -> np.ndarray:
    """Bins numbered anew in the same order, without those that hold nothing: int32, the same shape."""
    numbers = np.cumsum(np.bincount(bins.ravel()) > 0, dtype=np.int32) - np.int32(1)
    return numbers[bins]


def places(predictions: Predictions) -> int:
    """How many of a video's most confident labels count: 20, or all classes when there are fewer.

    Raises:
        InputError: the predictions hold fewer.
    """
    k, held = min(TOP, int(predictions.metadata["num_classes"])), predictions.top_labels.shape[1]
    if held < k:
        raise InputError(
            f"the predictions hold the top {held} labels of a video, GAP@{k} needs {k}; predict again with --top {k}"
        )
    return k


def pooled_average_precision(pairs: np.ndarray, hits: np.ndarray, positives: int) -> float:
    """A / P of (1) from the numbers of pairs and hits in each bin, ascending, by (3); 0 without positives."""
    tie = _Ties(pairs, hits)
    return float((hits * tie.rate + tie.rate * tie.excess * tie.logs).sum()) / positives if positives else 0.0


class _Ties:
    """By bin, the parts of (3): r, H - r N, L and 1 / N (0 where no pair is above), float64 [bins] each."""

    def __init__(self, pairs: np.ndarray, hits: np.ndarray):
        self.pairs_above = _sum_above(pairs)
        self.rate = hits / np.maximum(pairs, 1)
        self.inverse = np.divide(1, self.pairs_above, out=np.zeros(len(pairs)), where=self.pairs_above > 0)
        self.logs = np.log1p(pairs * self.inverse)
        self.excess = _sum_above(hits) - self.rate * self.pairs_above


def _effects(pairs: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By bin, what a pair and what a hit in it adds to A by (2) and (3): float64 [bins] each."""
    tie = _Ties(pairs, hits)
    rate, excess, some = tie.rate, tie.excess, np.maximum(pairs, 1)
    inverse_with = 1 / np.maximum(tie.pairs_above + pairs, 1)
    on_hits_below = rate * tie.logs
    on_pairs_below = rate * (excess * (inverse_with - tie.inverse) - on_hits_below)
    slope = (excess - rate * tie.pairs_above) * tie.logs / some
    of_hit = 2 * rate + slope + _sum_below(on_hits_below)
    of_pair = rate * (excess * inverse_with - rate - slope) + _sum_below(on_pairs_below)
    return of_pair, of_hit


def _sum_above(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values[::-1])[::-1] - values


def _sum_below(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values) - values
