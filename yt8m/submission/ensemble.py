"""The mean of several predictions files, of which each holds only the most confident labels of a video."""

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
