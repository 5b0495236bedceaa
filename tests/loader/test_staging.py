"""Training and prediction on gs://, by the real client against the emulator."""

import dataclasses
import gc
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from yt8m.errors import InputError, RecordError
from yt8m.loader import Batch, FrameSampling, Staging, prediction_batches, training_batches
from yt8m.rebalance.training_set import Phase, TrainingSet
from yt8m.records.build import build_index
from yt8m.records.tfrecord import OVERHEAD
from yt8m.records.video_index import VideoIndex, read_index
from yt8m.storage import cloud

CLASSES, BATCH = 60, 5
EVEN = FrameSampling("even", 4)
SHARD_BYTES = 3 * 10**6


@pytest.fixture
def training_set(index: VideoIndex) -> TrainingSet:
    """Phase 0: every video once to three times. Phase 1: two of eight, twice. Phase 2: all once."""
    videos = np.arange(len(index))
    return TrainingSet(index, np.array([videos % 3 + 1, (videos % 4 == 1) * 2, videos >= 0], np.int32), (Phase(),) * 3)


def train(training_set: TrainingSet, source: str | None, start=0, stop: int | None = 20, *, phase=0, **settings):
    settings.setdefault("staging", Staging(window_bytes=2 * SHARD_BYTES))
    return training_batches(
        training_set, phase, batch_size=BATCH, sampling=EVEN, seed=3, start=start, stop=stop, num_classes=CLASSES,
        source=source, **settings,
    )  # fmt: skip


def by_row(batches: list[Batch]) -> list[tuple]:
    """Each video of the batches with a digest of its content, sorted."""
    return sorted(
        (int(row), batch.rgb[i].tobytes(), batch.audio[i].tobytes(), batch.labels[i].tobytes())
        for batch in batches
        for i, row in enumerate(batch.rows)
    )


def media(gcs) -> list[dict]:
    return [entry for entry in gcs.log() if "alt=media" in entry["path"]]


def size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def staging_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("yt8m-staging")]


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


class Watch:
    """Measures a folder until the end of the block."""

    def __init__(self, folder: Path):
        self.folder, self.largest, self._over = folder, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.001):
            self.largest = max(self.largest, size_of(self.folder))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize(("phase", "bound", "window"), [(0, 10_200_000, 6_000_000), (1, 2_500_000, 1_500_000)])
def test_scratch_space_is_bounded(
    training_set: TrainingSet, bucket: str, tmp_path: Path, phase: int, bound: int, window: int
) -> None:
    staging = Staging(str(tmp_path), scratch_bytes=bound, window_bytes=window)
    with Watch(tmp_path) as watch:
        batches = list(train(training_set, bucket, 0, 40, phase=phase, staging=staging))
    assert len(batches) == 40
    assert 0.5 * bound < watch.largest <= bound


def test_scratch_space_for_one_window_is_enough(training_set: TrainingSet, bucket: str, index: VideoIndex) -> None:
    largest = max(shard.size for shard in index.shards)
    staging = Staging(scratch_bytes=largest, window_bytes=largest)
    ours = list(train(training_set, bucket, 0, 40, staging=staging, threads=3))
    assert by_row(ours)[0] == by_row(list(train(training_set, None, 0, 40)))[0]
    with pytest.raises(InputError, match=r"takes 2.7 MB, the scratch space has 1.3 MB; allow more"):
        train(training_set, bucket, staging=dataclasses.replace(staging, scratch_bytes=largest // 2))


def test_what_fits_is_kept_and_the_next_epoch_moves_nothing(
    training_set: TrainingSet, bucket: str, gcs, index: VideoIndex
) -> None:
    steps = training_set.phase_size(2)  # as many epochs as a batch has videos
    with train(training_set, bucket, 0, steps, phase=2) as batches:
        assert sum(1 for _ in batches) == steps
    moved = sum(shard.size for shard in index.shards)
    assert batches.network_bytes == moved
    assert {epoch: size for epoch, size in batches.network_bytes_by_epoch.items() if size} == {0: moved}
    assert sum(entry["bytes"] for entry in media(gcs)) == moved


def test_what_is_used_soonest_is_kept(training_set: TrainingSet, bucket: str, index: VideoIndex) -> None:
    """With room for two thirds of the shards beside a window, more than a third is not fetched again."""
    total = sum(shard.size for shard in index.shards)
    staging = Staging(window_bytes=SHARD_BYTES, scratch_bytes=int(total * 0.7))
    epochs = 10
    with train(training_set, bucket, 0, epochs * len(index) // BATCH, phase=2, staging=staging) as batches:
        for _ in batches:
            pass
    assert batches.network_bytes < 0.67 * epochs * total


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


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def test_an_end_leaves_neither_threads_nor_files(training_set: TrainingSet, bucket: str, temporary: Path) -> None:
    def scratch() -> list[str]:
        return [name for name in os.listdir(temporary) if name.startswith("yt8m-scratch-")]

    list(train(training_set, bucket, 3, 5))
    assert scratch() == []
    with train(training_set, bucket, 3, None) as batches:
        next(batches)
        assert len(scratch()) == 1
    assert scratch() == []
    batches = train(training_set, bucket, 0, None)
    next(batches)
    del batches
    gc.collect()
    assert scratch() == []
    train(training_set, bucket, 0, None).close()
    assert scratch() == []
    assert staging_threads() == []


def test_a_stop_does_not_wait_for_retries(training_set: TrainingSet, bucket: str, gcs) -> None:
    gcs.fault("503", "GET", "alt=media", count=10_000)
    batches = train(training_set, bucket, 0, None)
    time.sleep(0.5)
    started = time.monotonic()
    batches.close()
    assert time.monotonic() - started < 5


def test_a_named_folder_serves_the_next_run(
    training_set: TrainingSet, bucket: str, tmp_path: Path, index: VideoIndex
) -> None:
    staging = Staging(str(tmp_path), window_bytes=2 * SHARD_BYTES)

    def run(phase: int = 2) -> tuple[int, list]:
        with train(training_set, bucket, 0, len(index), phase=phase, staging=staging) as batches:
            content = by_row(list(batches))
        return batches.network_bytes, content

    moved, content = run()
    assert moved == size_of(tmp_path) == sum(shard.size for shard in index.shards)
    assert run() == (0, content)
    damaged = sorted((tmp_path / "yt8m-shards").glob("*train3.tfrecord"))[0]
    data = bytearray(damaged.read_bytes())
    data[1_000_000] ^= 1
    damaged.write_bytes(data)
    (tmp_path / "yt8m-shards" / ".partial-killed").write_bytes(b"half")
    assert run() == (index.shards[3].size, content)
    assert run(phase=1)[0] == 0
    assert size_of(tmp_path) == moved


def test_leftovers_of_no_use_make_room(training_set: TrainingSet, bucket: str, tmp_path: Path) -> None:
    bound = 4 * SHARD_BYTES
    (tmp_path / "yt8m-shards").mkdir()
    (tmp_path / "yt8m-shards" / "00000000-1-other.tfrecord").write_bytes(bytes(bound))
    staging = Staging(str(tmp_path), scratch_bytes=bound, window_bytes=SHARD_BYTES)
    with Watch(tmp_path) as watch:
        list(train(training_set, bucket, 0, 10, staging=staging))
    assert watch.largest <= bound
    assert not (tmp_path / "yt8m-shards" / "00000000-1-other.tfrecord").exists()


def test_two_at_once_in_one_folder(training_set: TrainingSet, bucket: str, tmp_path: Path) -> None:
    staging = Staging(str(tmp_path), window_bytes=2 * SHARD_BYTES)
    with (
        train(training_set, bucket, 0, 10, staging=staging) as one,
        train(training_set, bucket, 0, 10, staging=staging) as two,
    ):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a.rgb, b.rgb)
    assert os.listdir(tmp_path) == ["yt8m-shards"]


def test_folders_of_the_killed_are_removed(training_set: TrainingSet, bucket: str, temporary: Path) -> None:
    with train(training_set, bucket, 0, None) as batches:
        next(batches)
        dead = temporary / "yt8m-scratch-dead"
        dead.mkdir()
        (dead / ".lock").touch()
        (dead / "data").write_bytes(b"x")
        next(train(training_set, bucket, 0, 1))
        assert not dead.exists()
        next(batches)


@pytest.mark.parametrize("batch_size", [3, 8, 48, 100])
def test_prediction_is_in_index_order(index: VideoIndex, bucket: str, batch_size: int) -> None:
    settings = {"batch_size": batch_size, "sampling": EVEN, "num_classes": CLASSES}
    for rows in (np.arange(48), np.array([5, 40, 6, 41]), np.array([0, 9, 17, 25, 33, 41])):
        some = index.take(rows)
        ours = list(prediction_batches(some, source=bucket, **settings))
        for one, expected in zip(ours, prediction_batches(some, **settings), strict=True):
            for name in ("rows", "rgb", "audio", "labels", "num_frames"):
                np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))


def test_prediction_drops_each_shard_when_it_is_done(index: VideoIndex, bucket: str, temporary: Path) -> None:
    with (
        Watch(temporary) as watch,
        prediction_batches(
            index, batch_size=8, sampling=EVEN, source=bucket, staging=Staging(scratch_bytes=2 * SHARD_BYTES)
        ) as batches,
    ):
        assert sum(1 for _ in batches) == 6
        assert size_of(temporary) == 0
    assert watch.largest <= 2 * SHARD_BYTES
    assert batches.network_bytes == sum(shard.size for shard in index.shards)


def test_prediction_keeps_shards_in_a_named_folder_as_far_as_it_reaches(
    index: VideoIndex, bucket: str, tmp_path: Path
) -> None:
    total = sum(shard.size for shard in index.shards)
    moved = {}
    for space in (total, 4 * SHARD_BYTES):
        staging = Staging(str(tmp_path / str(space)), scratch_bytes=space)
        for run in range(2):
            with prediction_batches(index, batch_size=8, sampling=EVEN, source=bucket, staging=staging) as batches:
                assert sum(1 for _ in batches) == 6
            moved[space, run] = batches.network_bytes
        assert size_of(tmp_path / str(space)) <= space
    assert moved[total, 0] == moved[4 * SHARD_BYTES, 0] == total
    assert moved[total, 1] == 0
    assert moved[4 * SHARD_BYTES, 1] <= 0.7 * total


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


def test_no_window_is_torn_by_any_size(training_set: TrainingSet, bucket: str, index: VideoIndex) -> None:
    """Windows, scratch space and batches of all sizes end, and deliver what the local disk does."""
    expected = {row: rest for row, *rest in by_row(list(train(training_set, None, 0, 40)))}
    random = np.random.default_rng(0)
    largest = max(shard.size for shard in index.shards)
    for _ in range(12):
        window = int(random.integers(1, 4 * largest))
        staging = Staging(
            window_bytes=window, scratch_bytes=max(window, largest) + int(random.integers(0, 2 * largest)),
            threads=int(random.integers(1, 5)),
        )  # fmt: skip
        phase = int(random.integers(0, 3))
        batches = list(train(
            training_set, bucket, int(random.integers(0, 20)), 40, phase=phase, staging=staging,
            threads=int(random.integers(1, 4)), prefetch=int(random.integers(1, 9)),
        ))  # fmt: skip
        assert all(expected[row] == rest for row, *rest in by_row(batches))


def test_wrong_settings_are_refused() -> None:
    for name in ("scratch_bytes", "window_bytes", "threads"):
        with pytest.raises(InputError, match=f"{name} is 0; it must be at least 1"):
            Staging(**{name: 0})
