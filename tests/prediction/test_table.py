"""The predictions file comes back as it went in."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from yt8m.errors import InputError
from yt8m.prediction.table import Predictions, read_predictions, write_predictions


def predictions(videos: int = 3, top: int = 2) -> Predictions:
    return Predictions(
        video_ids=np.array([b"id%02d" % row for row in range(videos)], dtype="S4"),
        labels=np.arange(videos, dtype=np.int32),
        label_ranks=np.ones(videos, np.int32),
        label_confidences=np.full(videos, 0.25, np.float32),
        bounds=np.array([0, 0, *([videos] * (videos - 1))], dtype=np.int64)[: videos + 1],
        top_labels=np.arange(videos * top, dtype=np.int32).reshape(videos, top),
        top_confidences=np.linspace(1, 0, videos * top, dtype=np.float32).reshape(videos, top),
        metadata={"num_classes": 10, "simulated": False, "models": []},
    )


@pytest.mark.parametrize(("videos", "top"), [(3, 2), (5, 20), (1, 1)])
def test_round_trip(tmp_path: Path, videos: int, top: int) -> None:
    ours = predictions(videos, top)
    write_predictions(tmp_path / "p.parquet", ours)
    back = read_predictions(tmp_path / "p.parquet")
    for name in ("video_ids", "bounds", "top_labels", "top_confidences"):
        np.testing.assert_array_equal(getattr(back, name), getattr(ours, name))
        assert getattr(back, name).dtype == getattr(ours, name).dtype
    used = ours.labels[: ours.bounds[-1]]
    np.testing.assert_array_equal(back.labels, used)
    assert back.metadata["num_classes"] == 10
    np.testing.assert_array_equal(back.label_rows, np.repeat(np.arange(videos), ours.labels_per_video))


def written(path: Path) -> pa.Table:
    write_predictions(path, predictions(videos=6, top=2))
    return pq.read_table(path)


def through_pandas(path: Path) -> pa.Table:
    """Read and written by pandas, the metadata kept."""
    table = written(path)
    return pa.Table.from_pandas(table.to_pandas()).replace_schema_metadata(table.schema.metadata)


def cast(name: str, to: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, table[name].cast(to))


WIDE = pa.schema([
    ("video_id", pa.large_string()), ("labels", pa.large_list(pa.int64())), ("label_ranks", pa.list_(pa.int16())),
    ("label_confidences", pa.list_(pa.float64())), ("top_labels", pa.list_(pa.int64())),
    ("top_confidences", pa.large_list(pa.float64())),
])  # fmt: skip
HARMLESS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "wider types": lambda table: table.cast(WIDE),
    "ids of few values": lambda table: table.set_column(0, "video_id", table["video_id"].dictionary_encode()),
    "another order of columns": lambda table: table.select(sorted(table.column_names)),
    "more columns": lambda table: table.append_column("__index_level_0__", pa.array(range(len(table)))),
    "whole numbers with a point": cast("top_labels", pa.list_(pa.float64())),
    "several chunks": lambda table: pa.concat_tables([table[:2], table[2:]]),
}


@pytest.mark.parametrize("change", [*HARMLESS, "pandas"])
def test_a_table_that_another_program_wrote_without_loss_is_read_as_it_was(tmp_path: Path, change: str) -> None:
    path = tmp_path / "p.parquet"
    ours = written(path)
    before = read_predictions(path)
    changed = through_pandas(path) if change == "pandas" else HARMLESS[change](ours)
    pq.write_table(changed.replace_schema_metadata(ours.schema.metadata), path)
    after = read_predictions(path)
    for name, value in vars(before).items():
        np.testing.assert_array_equal(getattr(after, name), value)
        assert getattr(getattr(after, name), "dtype", None) == getattr(value, "dtype", None)


def replaced(name: str, values: list[Any], type_: pa.DataType | None = None) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, pa.array(values, type_))


BROKEN: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "missing": (lambda table: table.drop_columns(["top_labels"]), "its column top_labels is missing"),
    "twice": (lambda table: table.append_column("labels", table["labels"]), "not a readable Parquet file .*labels"),
    "null": (replaced("video_id", ["a", None, "c", "d", "e", "f"]), r"its column video_id has an empty place \(null\)"),
    "null inside": (replaced("labels", [[1], [None]] * 3), "its column labels has an empty place"),
    "all null": (replaced("labels", [None] * 6), "its column labels has an empty place"),
    "numbers for texts": (replaced("video_id", list(range(6))), "its column video_id is int64, string is needed"),
    "texts for numbers": (replaced("top_labels", [["1", "2"]] * 6), "its column top_labels is list<.*string>, list"),
    "a fraction": (replaced("top_labels", [[1.5, 2]] * 6), "its column top_labels .*not every value is one"),
    "too large": (replaced("top_labels", [[1 << 40, 2]] * 6), "its column top_labels .*not every value is one"),
    "too exact": (replaced("top_confidences", [[0.1, 0.05]] * 6), "its column top_confidences .*not every value"),
    "no lists": (replaced("labels", [1] * 6), "its column labels is int64, list<.*> is needed"),
    "unequal lists": (replaced("top_labels", [[1, 2], [1]] * 3), "its column top_labels holds lists of different len"),
    "other lists": (replaced("label_ranks", [[1, 2, 3]] * 6), "its lists of label_ranks are not as long as its labels"),
    "another width": (replaced("top_labels", [[1, 2, 3]] * 6), "its top_labels and top_confidences differ in length"),
    "below 0": (replaced("labels", [[-1]] * 6), "its column labels holds -1"),
    "ids that are no text": (replaced("video_id", [b"\xff"] * 6), "its column video_id .*not every value is one"),
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_table_that_lost_something_is_refused_by_the_name_of_the_column(tmp_path: Path, change: str) -> None:
    path = tmp_path / "p.parquet"
    ours, (make, says) = written(path), BROKEN[change]
    pq.write_table(make(ours).replace_schema_metadata(ours.schema.metadata), path)
    with pytest.raises(InputError, match=rf"p\.parquet: {says}.*; make one with `yt8m predict`"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "with the columns of predictions that has lost its metadata"),
        ({"yt8m": b"{"}, "has lost its metadata"),
        ({"yt8m": b"[1]"}, "has lost its metadata"),
        ({"yt8m": b'{"kind": "predictions", "simulated": false, "models": []}'}, "its metadata lacks num_classes"),
    ],
)
def test_a_table_without_its_metadata_is_refused(tmp_path: Path, metadata: dict[str, bytes], says: str) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(written(path).replace_schema_metadata(metadata), path)
    with pytest.raises(InputError, match=says):
        read_predictions(path)


@pytest.mark.parametrize("names", [b"id%02d", b"long-id%02d"])
def test_a_video_that_is_there_twice_is_refused_wherever_predictions_are_read(tmp_path: Path, names: bytes) -> None:
    ours = predictions(videos=6)
    rows = [0, 3, 1, 2, 3, 1]
    write_predictions(tmp_path / "p.parquet", replace(ours, video_ids=np.array([names % row for row in rows])))
    first = (names % 1).decode()
    with pytest.raises(InputError, match=rf"p\.parquet: 2 ids occur more than once \(the first: {first}\); predict"):
        read_predictions(tmp_path / "p.parquet")
