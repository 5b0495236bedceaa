"""Lines of a submission as bytes, many at a time: digits come from tables, and the padding is cut out at the end."""

import functools

import numpy as np

HEADER = b"VideoId,LabelConfidencePairs\n"
DECIMALS = 6
_UNITS = 10**DECIMALS


def lines(ids: np.ndarray, labels: np.ndarray, confidences: np.ndarray, num_classes: int) -> bytes:
    r"""The lines `id,label confidence label confidence ...\n`.

    A line is first written at full width, with NUL bytes where an id or a label is shorter; then all NULs are cut out.
    A float32 times 10^6 is exact in float64, so rounding it half to even is what `%.6f` does.

    Args:
        ids: bytes [n] (NumPy `S`).
        labels: int [n, k], below `num_classes` (at most 10^8).
        confidences: float32 [n, k], in [0, 1].
        num_classes: size of the vocabulary.
    """
    names = _label_table(num_classes)
    pair = np.dtype([("label", names.dtype), ("space", "u1"), ("confidence", "u8"), ("end", "u1")])
    text = np.empty(len(ids), np.dtype([("id", ids.dtype), ("comma", "u1"), ("pairs", pair, (labels.shape[1],))]))
    units = np.rint(np.minimum(confidences, np.float32(1)).astype(np.float64) * _UNITS).astype(np.int32)
    text["id"] = ids
    text["comma"] = ord(",")
    pairs = text["pairs"]
    pairs["label"] = np.take(names, labels)
    pairs["space"] = ord(" ")
    pairs["confidence"] = np.take(_confidence_table(), units)
    pairs["end"] = ord(" ")
    pairs["end"][:, -1] = ord("\n")
    data = text.view(np.uint8)
    return data[data != 0].tobytes()


@functools.cache
def _confidence_table() -> np.ndarray:
    """uint64 [10^6 + 1]: the 8 characters `0.000000` to `1.000000`."""
    values = np.arange(_UNITS + 1, dtype=np.int32)
    text = np.full((len(values), 2 + DECIMALS), ord("."), np.uint8)
    text[:, 0] = ord("0") + values // _UNITS
    for place in range(DECIMALS):
        text[:, -1 - place] = ord("0") + values // 10**place % 10
    return text.view(np.uint64).reshape(-1)


@functools.lru_cache(maxsize=4)
def _label_table(num_classes: int) -> np.ndarray:
    """uint32 or uint64 [V]: the decimal digits of each label, then NULs."""
    width = 4 if num_classes <= 10**4 else 8
    return np.arange(num_classes).astype(f"S{width}").view(f"u{width}")
