"""The index in memory and on disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from yt8m.data.records.video_index import Shard, VideoIndex, read_index, write_index

label_lists = st.lists(st.lists(st.integers(0, 3861), max_size=5), min_size=1, max_size=12)


def make_index(labels: list[list[int]]) -> VideoIndex:
    n = len(labels)
    return VideoIndex(
        video_ids=np.array([b"%04d" % row for row in range(n)]),
        shard_numbers=np.zeros(n, np.int32),
        offsets=np.arange(n, dtype=np.int64) * 1000,
        lengths=np.full(n, 984, np.int32),
        num_frames=np.full(n, 7, np.int32),
        labels=np.array([label for row in labels for label in row], dtype=np.int32),
        bounds=np.concatenate(([0], np.cumsum([len(row) for row in labels]))).astype(np.int64),
        shards=(Shard("train0000.tfrecord", n * 1000, n, "0badf00d"),),
        source_root="data",
    )


def lists_of(index: VideoIndex) -> list[list[int]]:
    return [index.labels_of(row).tolist() for row in range(len(index))]


@given(label_lists, st.randoms(use_true_random=False))
def test_take_keeps_each_video_with_its_labels(labels: list[list[int]], random: object) -> None:
    index = make_index(labels)
    rows = np.array([random.randrange(len(labels)) for _ in range(random.randrange(9))], dtype=np.int64)  # type: ignore[attr-defined]
    taken = index.take(rows)
    assert lists_of(taken) == [labels[row] for row in rows]
    assert taken.video_ids.tolist() == [b"%04d" % row for row in rows]
    mask = np.isin(np.arange(len(labels)), rows)
    assert lists_of(index.take(mask)) == [labels[row] for row in np.flatnonzero(mask)]


@settings(max_examples=20)
@given(label_lists)
def test_round_trip_through_a_file(tmp_path_factory: object, labels: list[list[int]]) -> None:
    path = Path(tmp_path_factory.mktemp("index")) / "index.parquet"  # type: ignore[attr-defined]
    index = make_index(labels)
    write_index(path, index)
    back = read_index(path)
    assert lists_of(back) == labels
    assert back.fingerprint() == index.fingerprint()
    assert (back.shards, back.source_root, back.level) == (index.shards, index.source_root, index.level)


def test_the_fingerprint_is_of_the_content_not_of_the_place() -> None:
    index = make_index([[1, 2], [], [3]])
    assert replace(index, source_root="elsewhere").fingerprint() == index.fingerprint()
    assert replace(index, labels=index.labels + 1).fingerprint() != index.fingerprint()
    changed = (replace(index.shards[0], fingerprint="ffffffff"),)
    assert replace(index, shards=changed).fingerprint() != index.fingerprint()
