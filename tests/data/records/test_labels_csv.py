"""Label lists, plain and gzipped."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt8m.data.records.labels_csv import is_labels_csv, read_labels_csv
from yt8m.errors import InputError

rows = st.dictionaries(
    st.text("abcXYZ019-_", min_size=1, max_size=6),
    st.lists(st.integers(0, 4715), max_size=6, unique=True),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=40)
@given(rows, st.booleans())
def test_ids_and_labels_come_back(
    tmp_path_factory: pytest.TempPathFactory, videos: dict[str, list[int]], zipped: bool
) -> None:
    text = "VideoId,Labels\n" + "".join(f"{key},{' '.join(map(str, value))}\n" for key, value in videos.items())
    path = tmp_path_factory.mktemp("labels") / ("labels.csv.gz" if zipped else "labels.csv")
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    assert is_labels_csv(str(path))
    index = read_labels_csv(path)
    assert index.video_ids.tolist() == [key.encode() for key in videos]
    assert [index.labels_of(row).tolist() for row in range(len(index))] == list(videos.values())
    assert index.level == "labels"
    assert set(index.shard_numbers) == {-1}
    assert set(index.offsets) == {-1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Id,Labels\na,1\n", "not a label list .*VideoId"),
        ("VideoId,Labels\na,1\nb,2 x\n", "line 3: '2 x' is not valid"),
        ("VideoId,Labels\na,1\nb,2  3\n", "line 3: '2  3'"),
        ("VideoId,Labels\na,-1\n", "line 2: '-1'"),
        ("VideoId,Labels\na,99999999999\n", "line 2: '99999999999'"),
        ("VideoId,Labels\na,1\n,2\n", "line 3: ''"),
        ("VideoId,Labels\na,1,2\n", "not a label list"),
        ("", "not a label list"),
        ("VideoId,Labels\n", "the list has no line below its header"),
    ],
)
def test_what_is_no_label_list_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_labels_csv(path)


def test_a_gzip_file_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv.gz"
    path.write_bytes(gzip.compress(b"VideoId,Labels\n" + b"abcd,1 2 3\n" * 1000)[:-20])
    with pytest.raises(InputError, match="not a label list"):
        read_labels_csv(path)
    with pytest.raises(InputError, match="no such file"):
        read_labels_csv(tmp_path / "nothing.csv")
