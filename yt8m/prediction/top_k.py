"""The most confident labels of a video, and the rank of any label, with ties to the lower label index; NumPy only.

Both functions define the same total order over the classes of a video: higher confidence first, and of equal
confidences the lower label index first. So a label is among the top k exactly when its rank is at most k.

They are ours because NumPy's partition and the frameworks' top_k leave the order of ties open, or differ in it.
"""

import numpy as np

from yt8m.errors import InputError

TOP = 20  # labels of a video that metrics, submissions and served models take, of as many classes or more
_ROWS = 64  # a chunk of 64 videos x 3,862 float32, 1 MB, stays in the second-level cache
_COLUMN_BITS = 24
_COLUMN_MASK = np.uint64((1 << _COLUMN_BITS) - 1)
_BLOCKS_PER_PLACE = 8  # at least 160 blocks for a top 20: about 22 candidates are left in a row without ties


def top_k(confidences: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most confident labels of each video, in descending order; ties go to the lower label index.

    Folding the row upon itself gives the maxima of blocks of columns; the k-th largest maximum is a lower bound of the
    k-th largest value, so one comparison leaves few candidates, and one sort of packed integers (row, confidence,
    label) orders them.

    Args:
        confidences: float [n, V]; compared as float32.
        k: places wanted; all V classes when there are fewer than k.

    Returns:
        labels int32 [n, min(k, V)] and their confidences float32 [n, min(k, V)].

    Raises:
        InputError: a confidence is NaN.
    """
    confidences = _float32_matrix(confidences)
    n, num_classes = confidences.shape
    if k < 1 or num_classes > _COLUMN_MASK:
        raise ValueError(f"top_k needs k >= 1 and at most {_COLUMN_MASK} classes, got k={k}, {num_classes} classes")
    k = min(k, num_classes)
    labels = np.empty((n, k), np.int32)
    for start in range(0, n, _ROWS):
        chunk = confidences[start : start + _ROWS]
        rows, columns = _candidates(chunk, k, start)
        labels[start : start + _ROWS] = _best_of_candidates(chunk, rows, columns, k)
    return labels, np.take_along_axis(confidences, labels, axis=1)


def label_ranks(confidences: np.ndarray, labels: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rank among all classes, and the confidence, of given labels of each video.

    Args:
        confidences: float [n, V]; compared as float32.
        labels: int [occurrences]; the labels of video i are `labels[bounds[i]:bounds[i + 1]]`.
        bounds: int [n + 1].

    Returns:
        ranks int32 [occurrences], 1 for the most confident (ties: the lower label index ranks first), and the
        confidences float32 [occurrences].

    Raises:
        InputError: a label lies outside the classes, or its confidence is NaN (`top_k` looks at all of them).
    """
    confidences = _float32_matrix(confidences)
    n, num_classes = confidences.shape
    if len(bounds) != n + 1:
        raise ValueError(f"{len(bounds)} bounds do not fit {n} videos")
    if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
        wrong = labels[(labels < 0) | (labels >= num_classes)][0]
        raise InputError(f"label {wrong} lies outside the {num_classes} classes of the model; use its vocabulary")
    rows = np.repeat(np.arange(n), np.diff(bounds))
    own = confidences[rows, labels]
    _refuse_nan(own, rows)
    ranks = np.empty(len(labels), np.int32)
    for place, (row, label, confidence) in enumerate(zip(rows.tolist(), labels.tolist(), own, strict=True)):
        values = confidences[row]
        ranks[place] = (
            1 + np.count_nonzero(values[:label] >= confidence) + np.count_nonzero(values[label:] > confidence)
        )
    return ranks, own


def _candidates(chunk: np.ndarray, k: int, first_row: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a superset of each row's top k, rows ascending."""
    maxima = chunk
    while maxima.shape[1] >= 2 * _BLOCKS_PER_PLACE * k:
        maxima = _folded(maxima)
    _refuse_nan(maxima.max(axis=1), np.arange(first_row, first_row + len(chunk)))
    blocks = maxima.shape[1]
    bound = np.partition(maxima, blocks - k, axis=1)[:, blocks - k]
    return np.divmod(np.flatnonzero(chunk >= bound[:, None]), chunk.shape[1])


def _folded(values: np.ndarray) -> np.ndarray:
    """The larger of column j and column j + half; the last of an odd number of columns joins the first."""
    half = values.shape[1] // 2
    folded = np.maximum(values[:, :half], values[:, half : 2 * half])
    if values.shape[1] % 2:
        np.maximum(folded[:, :1], values[:, -1:], out=folded[:, :1])
    return folded


def _best_of_candidates(chunk: np.ndarray, rows: np.ndarray, columns: np.ndarray, k: int) -> np.ndarray:
    """The labels int32 [rows of the chunk, k] in order, by one sort of (row, descending confidence, label)."""
    bits = (chunk[rows, columns] + np.float32(0)).view(np.uint32)  # adding 0 makes -0.0 equal to 0.0
    descending = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF)).astype(np.uint64)
    keys = rows.astype(np.uint64) << np.uint64(32 + _COLUMN_BITS)
    keys |= descending << np.uint64(_COLUMN_BITS)
    keys |= columns.astype(np.uint64)
    keys.sort()
    starts = np.searchsorted(rows, np.arange(len(chunk)))
    return (keys[starts[:, None] + np.arange(k)] & _COLUMN_MASK).astype(np.int32)


def _float32_matrix(confidences: np.ndarray) -> np.ndarray:
    confidences = np.ascontiguousarray(confidences, dtype=np.float32)
    if confidences.ndim != 2 or not confidences.shape[1]:
        raise ValueError(f"confidences must have the shape [videos, classes], got {confidences.shape}")
    return confidences


def _refuse_nan(per_row: np.ndarray, rows: np.ndarray) -> None:
    bad = np.isnan(per_row)
    if bad.any():
        raise InputError(f"video {rows[bad][0]} of the batch has a confidence that is NaN; the model has diverged")
