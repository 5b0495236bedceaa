"""An index of labels alone, from a CSV of `VideoId,Labels`: plan a rebalancing before a byte of frames is there."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.storage import StrPath, is_remote, local_copy

ID_COLUMN, LABELS_COLUMN = "VideoId", "Labels"
SUFFIXES = (".csv", ".csv.gz")
REMEDY = f"give columns {ID_COLUMN},{LABELS_COLUMN} with labels as class indices between single spaces"
FIRST_ROW = 2
_LABELS = r"^([0-9]{1,9}( [0-9]{1,9})*)?$"


def is_labels_csv(source: str) -> bool:
    """Whether a source is named like a label list."""
    return source.endswith(SUFFIXES)


def read_labels_csv(path: StrPath) -> VideoIndex:
    """The index of labels of a CSV file (plain or gzip), one row a video; the labels may be empty.

    Raises:
        InputError: missing file or column, no rows, an empty id, or labels that are not class indices; with the line.
    """
    convert = csv.ConvertOptions(
        include_columns=[ID_COLUMN, LABELS_COLUMN],
        column_types={ID_COLUMN: pa.string(), LABELS_COLUMN: pa.string()},
        strings_can_be_null=False,
    )
    try:
        with local_copy(path, REMEDY) as file:
            table = csv.read_csv(file, convert_options=convert).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise InputError(f"{path}: not a label list ({str(error).splitlines()[0]}); {REMEDY}") from error
    if not len(table):
        raise InputError(f"{path}: the list has no line below its header; {REMEDY}")
    ids, text = table[ID_COLUMN].combine_chunks(), table[LABELS_COLUMN].combine_chunks()
    _check_rows(path, text, pc.match_substring_regex(text, _LABELS))
    _check_rows(path, ids, pc.and_(pc.utf8_is_printable(ids), pc.greater(pc.utf8_length(ids), 0)))
    labels, bounds = _split(text)
    n = len(ids)
    return VideoIndex(
        video_ids=np.array(ids.cast(pa.binary()).to_pylist(), dtype=np.bytes_),
        shard_numbers=np.full(n, -1, np.int32), offsets=np.full(n, -1, np.int64),
        lengths=np.zeros(n, np.int32), num_frames=np.zeros(n, np.int32), labels=labels, bounds=bounds,
        source_root=os.path.dirname(path if is_remote(path) else os.path.abspath(path)), level="labels",
    )  # fmt: skip


def _check_rows(path: StrPath, column: pa.Array, good: pa.Array) -> None:
    bad = np.flatnonzero(~good.to_numpy(zero_copy_only=False))
    if len(bad):
        row = int(bad[0])
        raise InputError(f"{path}: line {row + FIRST_ROW}: {column[row].as_py()!r} is not valid there; {REMEDY}")


def _split(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Labels int32 [occurrences] and bounds int64 [n + 1] of checked label lists."""
    spaces = pc.count_substring(text, " ").to_numpy(zero_copy_only=False)
    counts = np.where(pc.equal(text, "").to_numpy(zero_copy_only=False), 0, spaces + 1)
    words = pc.list_flatten(pc.split_pattern(text, " "))
    labels = words.filter(pc.not_equal(words, "")).cast(pa.int32())
    return labels.to_numpy(zero_copy_only=False), np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
