"""Pairs of a video and a label as sorted integers, and the sums of precision that GAP and MAP are made of."""

import numpy as np

from yt8m.errors import InputError
from yt8m.ragged import ragged_positions

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
