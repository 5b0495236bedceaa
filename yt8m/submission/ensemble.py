"""The mean of several predictions files, of which each holds only the most confident labels of a video."""

import functools
from collections.abc import Iterator

import numpy as np

from yt8m.prediction.table import Predictions
from yt8m.prediction.top_k import top_k
from yt8m.submission.checks import check_rows, check_same_videos, id_keys, refuse

PLACES = 100
_ROWS = 256


def check_ensemble(names: list[str], tables: list[Predictions]) -> None:
    """Files that can be averaged: of the same classes and videos, with the top 100 or more (or all classes).

    Raises:
        InputError: with the remedy, among them the exact way: `yt8m predict` with several models.
    """
    if len(tables) == 1:
        return
    classes = tables[0].metadata["num_classes"]
    for name, table in zip(names, tables, strict=True):
        width = table.top_labels.shape[1]
        if table.metadata["num_classes"] != classes:
            refuse(name, f"{table.metadata['num_classes']} classes, but {names[0]} has {classes}; use one vocabulary")
        if width < min(PLACES, classes):
            refuse(
                name,
                f"it holds the top {width} labels of a video, the mean of several files needs {PLACES}; predict with "
                f"--top {PLACES}, or average exactly: `yt8m predict MODEL MODEL ... INDEX`",
            )
        check_same_videos(name, table.video_ids, names[0], tables[0].video_ids)


def average(names: list[str], tables: list[Predictions], k: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The top k of the mean confidences, chunk by chunk in the order of the first file.

    A pair that a file lacks counts 0 in it: its true confidence there is at most that of the file's last place.

    Args:
        names: the files, for errors.
        tables: their content, which `check_ensemble` let pass.
        k: places wanted.

    Yields:
        ids bytes [n], labels int32 [n, k], confidences float32 [n, k].

    Raises:
        InputError: a wrong row of a file.
    """
    first = tables[0]
    classes = first.metadata["num_classes"]
    rows_of = [_rows_in_order_of(first.video_ids, table.video_ids) for table in tables]
    for start in range(0, len(first), _ROWS):
        ids = first.video_ids[start : start + _ROWS]
        sums = np.zeros((len(ids), classes))
        for name, table, rows in zip(names, tables, rows_of, strict=True):
            chosen = rows[start : start + _ROWS]
            labels, confidences = table.top_labels[chosen], table.top_confidences[chosen]
            check_rows(name, ids, labels, confidences, classes)
            places = np.arange(len(ids))[:, None] * classes + labels
            sums.reshape(-1)[places] += confidences
        yield ids, *top_k((sums / len(tables)).astype(np.float32), k)


def _rows_in_order_of(ids: np.ndarray, other_ids: np.ndarray) -> np.ndarray:
    """Positions in `other_ids` of `ids`, the same videos in any order."""
    rows = np.empty(len(ids), np.int64)
    keys, other_keys = id_keys(ids, other_ids)
    rows[np.argsort(keys)] = np.argsort(other_keys)
    return rows


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
