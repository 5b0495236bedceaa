"""Training and prediction on gs://, by the real client against the emulator."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from tests.loader.staged import BATCH, CLASSES, EVEN, SHARD_BYTES, by_row, media, staging_threads, train
from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.data.records.build import build_index
from yt8m.data.records.tfrecord import OVERHEAD
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError, RecordError
from yt8m.loader import Staging, prediction_batches
from yt8m.storage import cloud


def test_an_epoch_holds_the_same_as_from_the_local_disk(training_set: TrainingSet, bucket: str) -> None:
    steps = training_set.phase_size(0)  # as many epochs as a batch has videos
    ours, local = (list(train(training_set, source, 0, steps)) for source in (bucket, None))
    assert by_row(ours) == by_row(local)
    assert [batch.rows.tolist() for batch in ours] != [batch.rows.tolist() for batch in local]


@pytest.mark.parametrize("window", [1, 2, 20])
def test_resuming_at_any_step_gives_the_same_batches(training_set: TrainingSet, bucket: str, window: int) -> None:
    staging = Staging(window_bytes=window * SHARD_BYTES)
    whole = list(train(training_set, bucket, 0, 26, staging=staging))  # 19.2 steps an epoch
    for start in (1, 7, 13, 19, 20, 25):
        stop = min(start + 3, 26)
        part = list(
            train(training_set, bucket, start, stop, threads=3, staging=dataclasses.replace(staging, threads=2))
        )
        for one, expected in zip(part, whole[start:stop], strict=True):
            for name in ("rows", "rgb", "audio", "labels", "num_frames"):
                np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))


def test_of_sparse_shards_only_the_ranges_come(training_set: TrainingSet, bucket: str, gcs, index: VideoIndex) -> None:
    with train(training_set, bucket, 0, 19, phase=1) as batches:  # two passes over 12 videos, nearly four epochs
        for _ in batches:
            pass
    chosen = index.lengths[np.arange(len(index)) % 4 == 1]
    needed = int(chosen.sum()) + OVERHEAD * len(chosen)
    requests = media(gcs)
    assert all(entry["range"] and entry["status"] == 206 for entry in requests)
    assert sum(entry["bytes"] for entry in requests) == needed == batches.network_bytes
    assert len(requests) == len(chosen)


def test_near_ranges_are_one_request(index: VideoIndex, bucket: str, gcs) -> None:
    neighbours = index.take(np.array([1, 2, 4, 9]))
    batches = list(prediction_batches(neighbours, batch_size=4, sampling=EVEN, source=bucket))
    assert len(batches) == 1
    ranges = sorted(entry["range"] for entry in media(gcs))
    ends = index.offsets + index.lengths + OVERHEAD
    assert ranges == sorted(f"bytes={index.offsets[a]}-{ends[b] - 1}" for a, b in ((1, 2), (4, 4), (9, 9)))


@pytest.mark.parametrize("kind", ["429", "503", "short", "reset", "lost"])
@pytest.mark.parametrize("phase", [0, 1])
def test_faults_are_survived(training_set: TrainingSet, bucket: str, gcs, kind: str, phase: int) -> None:
    gcs.fault(kind, "GET", "alt=media", count=3)
    gcs.fault(kind, "GET", "/o[?]", count=1)
    size = training_set.phase_size(phase)
    ours = list(train(training_set, bucket, 0, size // BATCH, phase=phase))
    expected = list(train(training_set, bucket, 0, size // BATCH, phase=phase))
    assert by_row(ours) == by_row(expected)


def test_an_object_that_is_replaced_meanwhile_is_noticed(
    training_set: TrainingSet, bucket: str, folder: Path, index: VideoIndex
) -> None:
    largest = max(shard.size for shard in index.shards)
    staging = Staging(scratch_bytes=largest, window_bytes=largest)
    with train(training_set, bucket, 0, 300, staging=staging) as batches:
        next(batches)
        for number in range(6):
            cloud.upload(folder / f"train{number}.tfrecord", f"{bucket}/train{number}.tfrecord")
        with pytest.raises(InputError, match=r"gs://bucket/frame/train\d.tfrecord: no such object of generation") as e:
            list(batches)
    assert "\n" not in str(e.value)
    assert staging_threads() == []


def test_an_object_that_was_replaced_since_the_index_is_noticed(bucket: str, folder: Path, tmp_path: Path) -> None:
    build_index([bucket], tmp_path / "index.parquet")
    index = read_index(tmp_path / "index.parquet")
    assert len(list(prediction_batches(index, batch_size=48, sampling=EVEN))) == 1
    cloud.upload(folder / "train1.tfrecord", f"{bucket}/train1.tfrecord")  # the same content again
    assert len(list(prediction_batches(index, batch_size=48, sampling=EVEN))) == 1
    data = bytearray((folder / "train1.tfrecord").read_bytes())
    data[600_000] ^= 1
    (tmp_path / "changed").write_bytes(data)
    cloud.upload(tmp_path / "changed", f"{bucket}/train1.tfrecord")
    with pytest.raises(InputError, match=r"gs://bucket/frame/train1.tfrecord: the object was replaced since it was"):
        prediction_batches(index, batch_size=48, sampling=EVEN)
    others = index.take(index.shard_numbers != 1)
    assert len(list(prediction_batches(others, batch_size=40, sampling=EVEN))) == 1


def test_what_is_missing_is_one_line(training_set: TrainingSet, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gs://absent/frame.*: no such object or bucket"):
        train(training_set, "gs://absent/frame")
    with pytest.raises(InputError, match=r"gs://bucket/elsewhere.*: no object"):
        train(training_set, "gs://bucket/elsewhere")
    cloud.delete(f"{bucket}/train2.tfrecord")
    with pytest.raises(InputError, match=r"gs://bucket/frame/train2.tfrecord: the index needs this shard, .*--source"):
        train(training_set, bucket)
    (tmp_path / "short").write_bytes(b"short")
    cloud.upload(tmp_path / "short", f"{bucket}/train2.tfrecord")
    with pytest.raises(InputError, match=r"train2.tfrecord: the shard has 5 bytes and had [\d,]+ when it was indexed"):
        train(training_set, bucket)


def test_a_stop_does_not_wait_for_retries(training_set: TrainingSet, bucket: str, gcs) -> None:
    gcs.fault("503", "GET", "alt=media", count=10_000)
    batches = train(training_set, bucket, 0, None)
    time.sleep(0.5)
    started = time.monotonic()
    batches.close()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("batch_size", [3, 8, 48, 100])
def test_prediction_is_in_index_order(index: VideoIndex, bucket: str, batch_size: int) -> None:
    settings = {"batch_size": batch_size, "sampling": EVEN, "num_classes": CLASSES}
    for rows in (np.arange(48), np.array([5, 40, 6, 41]), np.array([0, 9, 17, 25, 33, 41])):
        some = index.take(rows)
        ours = list(prediction_batches(some, source=bucket, **settings))
        for one, expected in zip(ours, prediction_batches(some, **settings), strict=True):
            for name in ("rows", "rgb", "audio", "labels", "num_frames"):
                np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))


def test_a_bad_record_is_named_by_object_record_and_byte(
    index: VideoIndex, bucket: str, folder: Path, tmp_path: Path
) -> None:
    data = bytearray((folder / "train1.tfrecord").read_bytes())
    data[int(index.offsets[10]) + 1000] ^= 1
    (tmp_path / "bad").write_bytes(data)
    cloud.upload(tmp_path / "bad", f"{bucket}/train1.tfrecord")
    for rows in (np.arange(48), np.array([2, 10, 30])):  # staged whole, by ranges
        with pytest.raises(RecordError) as raised:
            list(prediction_batches(index.take(rows), batch_size=4, sampling=EVEN, source=bucket))
        error = raised.value
        assert (error.path, error.record, error.offset) == (f"{bucket}/train1.tfrecord", 2, index.offsets[10])
    batches = prediction_batches(index, batch_size=4, sampling=EVEN, source=bucket, skip_bad_records=True)
    assert sum(int((batch.rows >= 0).sum()) for batch in batches) == 47
    assert [entry["video_id"] for entry in batches.skipped] == ["vid10"]


def test_wrong_settings_are_refused() -> None:
    for name in ("scratch_bytes", "window_bytes", "threads"):
        with pytest.raises(InputError, match=f"{name} is 0; it must be at least 1"):
            Staging(**{name: 0})
