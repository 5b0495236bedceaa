"""Tables carry their kind; fingerprints depend on content alone."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.artifacts import (
    fingerprint,
    fingerprint_bytes,
    ids_from_arrow,
    ids_to_arrow,
    lists_from_arrow,
    lists_to_arrow,
    read_table,
    scalars,
    write_table,
)
from yt8m.errors import InputError

TABLE = pa.table({"a": [1, 2, 3]})


def test_a_table_comes_back_with_its_metadata_and_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_table(tmp_path / name, TABLE, "errors", {"simulated": True, "names": ["ä"]})
    table, metadata = read_table(tmp_path / "one", "errors")
    assert table["a"].to_pylist() == [1, 2, 3]
    assert metadata == {"kind": "errors", "simulated": True, "names": ["ä"]}
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_kind_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    write_table(tmp_path / "t", TABLE, "predictions", {})
    with pytest.raises(InputError, match="this is predictions, video_index is needed; make one with `yt8m index`"):
        read_table(tmp_path / "t", "video_index")
    pq.write_table(TABLE, tmp_path / "foreign")
    with pytest.raises(InputError, match="a table that yt8m did not write"):
        read_table(tmp_path / "foreign", "video_index")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"VideoId,Labels\n"])
def test_what_is_not_parquet_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(InputError, match="not a readable Parquet file") as error:
        read_table(tmp_path / "t", "training_set")
    assert "\n" not in str(error.value)


def test_a_truncated_table_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "t", TABLE, "training_set", {})
    content = (tmp_path / "t").read_bytes()
    (tmp_path / "t").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_table(tmp_path / "t", "training_set")


def test_fingerprints_ignore_key_order_only() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 1.5})


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_different_parts_have_different_fingerprints(one: list[bytes], other: list[bytes]) -> None:
    assert (fingerprint_bytes(*one) == fingerprint_bytes(*other)) == (one == other)


def test_arrays_and_bytes_agree() -> None:
    values = np.arange(5, dtype=np.int32)
    assert fingerprint_bytes(values) == fingerprint_bytes(values.tobytes())


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), max_size=8))
def test_ids_go_to_arrow_and_back_by_buffers(ids: list[str]) -> None:
    raw = np.array([video_id.encode() for video_id in ids], dtype=np.bytes_)
    column = ids_to_arrow(raw)
    assert column.to_pylist() == ids
    assert ids_from_arrow(column).tolist() == raw.tolist()
    chunks = pa.chunked_array([column[1:3], column[3:], column[:1]], pa.string())
    assert ids_from_arrow(chunks).tolist() == [*raw[1:3], *raw[3:], *raw[:1]]


def test_ids_that_are_not_text_are_refused() -> None:
    with pytest.raises(InputError, match="a video id is not UTF-8 text"):
        ids_to_arrow(np.array([b"abcd", b"\xff\xfeab"]))


@given(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=6))
def test_lists_go_to_arrow_and_back(lists: list[list[int]]) -> None:
    values = np.array([value for row in lists for value in row], dtype=np.int32)
    bounds = np.concatenate(([0], np.cumsum([len(row) for row in lists]))).astype(np.int64)
    column = lists_to_arrow(values, bounds)
    assert column.to_pylist() == lists
    chunks = pa.chunked_array([column[2:], column[:2]], column.type)
    back, back_bounds = lists_from_arrow(chunks)
    rotated = lists[2:] + lists[:2]
    assert [back[a:b].tolist() for a, b in pairwise(back_bounds)] == rotated


def test_scalars_leave_out_what_cannot_be_shown() -> None:
    result = {"a": 1, "b": 0.5, "c": "x", "d": True, "e": None, "f": [1], "g": {"x": 1}, "h": math.nan, "i": math.inf}
    assert scalars(result) == {"a": 1, "b": 0.5, "c": "x", "d": True}
