"""The scratch space of training and prediction on gs://: bounded, used well, shared, and empty in the end."""

import dataclasses
import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.loader.staged import BATCH, EVEN, SHARD_BYTES, by_row, media, size_of, staging_threads, train
from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader import Staging, prediction_batches


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
