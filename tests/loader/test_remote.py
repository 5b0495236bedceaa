"""Random access to shards on gs://, and reading them from a copy elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from yt8m.data.rebalance.training_set import Phase, TrainingSet, write_training_set
from yt8m.data.records.build import build_index
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError
from yt8m.loader import FrameSampling, RecordReader, prediction_batches
from yt8m.loader.export import export
from yt8m.loader.remote import MOST_ANNOUNCED, RemoteShards, open_shards
from yt8m.storage import cloud


def test_bytes_at_any_place(index: VideoIndex, bucket: str, folder: Path) -> None:
    shards = open_shards(index, bucket)
    data = (folder / "train2.tfrecord").read_bytes()
    memory = np.empty(1000, np.uint8)
    for offset, count in ((0, 1000), (12_345, 1000), (len(data) - 10, 10), (len(data), 0)):
        for announced in (False, True, True):
            if announced:
                shards.announce(2, offset, 1000)
            assert shards.read_into(2, offset, memory) == count
            assert memory[:count].tobytes() == data[offset : offset + count]


def test_announced_bytes_are_fetched_once(index: VideoIndex, bucket: str, gcs) -> None:
    shards = open_shards(index, bucket)
    for offset in range(0, 1000, 100):
        shards.announce(0, offset, 100)
        shards.announce(0, offset, 100)
    for _ in range(2):
        for offset in range(0, 1000, 100):
            assert shards.read_into(0, offset, np.empty(100, np.uint8)) == 100
    assert sum("alt=media" in entry["path"] for entry in gcs.log()) == 20


def test_announcements_that_nobody_takes_are_forgotten(index: VideoIndex, bucket: str) -> None:
    shards = open_shards(index, bucket)
    assert isinstance(shards, RemoteShards)
    for offset in range(MOST_ANNOUNCED + 50):
        shards.announce(0, offset, 1)
    assert len(shards._announced) == MOST_ANNOUNCED
    assert shards.read_into(0, 0, np.empty(1, np.uint8)) == 1


def test_a_reader_reads_any_rows(index: VideoIndex, bucket: str) -> None:
    rows, sampling = np.array([47, 3, -1, 3, 20]), FrameSampling("all", 250)
    ours = RecordReader(index, bucket, num_classes=60).read(rows, sampling)
    expected = RecordReader(index, num_classes=60).read(rows, sampling)
    for name in ("rgb", "audio", "num_frames", "labels", "rows"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))


def test_an_index_serves_where_the_shards_were_copied_to(bucket: str, folder: Path, tmp_path: Path) -> None:
    build_index([bucket], tmp_path / "remote.parquet")
    build_index([str(folder)], tmp_path / "local.parquet")
    remote, local = (read_index(tmp_path / f"{name}.parquet") for name in ("remote", "local"))
    assert remote.fingerprint() == local.fingerprint()
    for path in sorted(folder.glob("*.tfrecord")):
        cloud.upload(path, f"gs://bucket/mirror/deep/{path.name}")
    sampling = FrameSampling("even", 2)
    expected = next(prediction_batches(local, batch_size=48, sampling=sampling)).rgb.copy()
    for index, source in ((remote, None), (remote, str(folder)), (remote, "gs://bucket/mirror/deep/"), (local, bucket)):
        batch = next(prediction_batches(index, batch_size=48, sampling=sampling, source=source))
        np.testing.assert_array_equal(batch.rgb, expected)


def test_an_export_from_gs_is_the_same_as_from_the_disk(index: VideoIndex, bucket: str, tmp_path: Path) -> None:
    repeats = (np.arange(len(index)) % 3)[None].astype(np.int32)
    write_training_set(tmp_path / "set.parquet", TrainingSet(index, repeats, (Phase(),)))
    for name, source in (("ours", bucket), ("expected", None)):
        result = export(tmp_path / "set.parquet", tmp_path / name, shards=3, source=source, workers=2)
        assert result["records"] == repeats.sum()
    for path in (tmp_path / "expected").glob("*.tfrecord"):
        assert (tmp_path / "ours" / path.name).read_bytes() == path.read_bytes()


def test_a_missing_object_is_told_before_any_work(index: VideoIndex, bucket: str) -> None:
    cloud.delete(f"{bucket}/train5.tfrecord")
    with pytest.raises(InputError, match=r"train5.tfrecord: the index needs this shard, there is no such object"):
        open_shards(index, bucket)
    open_shards(index.take(np.arange(40)), bucket)
