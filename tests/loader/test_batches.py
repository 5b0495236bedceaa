"""The iterators: the same batches whatever the threads, the start, and what the consumer holds on to."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from yt8m.data.rebalance.training_set import Phase, TrainingSet
from yt8m.data.records.build import build_index
from yt8m.data.records.features import Frames
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import RecordWriter
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError, RecordError
from yt8m.loader import Batch, FrameSampling, epoch_order, prediction_batches, training_batches
from yt8m.loader.order import frame_draws

VIDEOS, CLASSES, BATCH = 23, 30, 4
REPEATS = np.array([np.arange(VIDEOS) % 3, np.ones(VIDEOS)], np.int32)
RANDOM = FrameSampling("random", 6)


@pytest.fixture(scope="module")
def frames() -> list[Frames]:
    random = np.random.default_rng(0)
    return [
        Frames(*(random.integers(0, 256, (1 + 3 * video, width), np.uint8) for width in (1024, 128)))
        for video in range(VIDEOS)
    ]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, frames: list[Frames]) -> VideoIndex:
    return write(tmp_path_factory.mktemp("shards"), frames)


def write(folder: Path, frames: list[Frames]) -> VideoIndex:
    for shard in range(3):
        with RecordWriter(folder / f"train{shard}.tfrecord") as writer:
            for video in range(shard * 8, min(shard * 8 + 8, VIDEOS)):
                writer.write(encode_record(f"vid{video:02d}".encode(), [video, video + 1], frames[video]))
    build_index([str(folder)], folder / "index.parquet")
    return read_index(folder / "index.parquet")


@pytest.fixture(scope="module")
def training_set(index: VideoIndex) -> TrainingSet:
    return TrainingSet(index, REPEATS, (Phase(), Phase()))


def train(training_set: TrainingSet, start: int, stop: int | None, *, phase=0, seed=1, batch_size=BATCH, **settings):
    return training_batches(
        training_set, phase, batch_size=batch_size, sampling=RANDOM, seed=seed, start=start, stop=stop,
        num_classes=CLASSES, **settings,
    )  # fmt: skip


def assert_equal(a: Batch, b: Batch) -> None:
    for name in ("rgb", "audio", "num_frames", "labels", "rows"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("yt8m-loader")]


def test_batches_follow_the_order_and_the_draws(training_set: TrainingSet, frames: list[Frames]) -> None:
    size = training_set.phase_size(0)
    order = np.concatenate([epoch_order(REPEATS[0], 1, epoch) for epoch in range(3)])
    draws = frame_draws(RANDOM, 1, 0, 0, len(order))
    batches = list(train(training_set, 0, 3 * size // BATCH))
    assert size % BATCH  # so that batches run across the ends of epochs
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), order[: len(batches) * BATCH])
    for step, batch in enumerate(batches):
        for position, row in enumerate(batch.rows):
            chosen = (draws[step * BATCH + position] * len(frames[row].rgb)).astype(int)
            np.testing.assert_array_equal(batch.rgb[position], frames[row].rgb[chosen])
            np.testing.assert_array_equal(batch.audio[position], frames[row].audio[chosen])
            assert batch.labels is not None
            assert np.flatnonzero(batch.labels[position]).tolist() == [row, row + 1]
        assert batch.num_frames.tolist() == [RANDOM.count] * BATCH


@pytest.mark.parametrize(("start", "stop"), [(0, 12), (3, 9), (7, 8), (11, 12)])
def test_resuming_at_any_step_gives_the_same_batches(training_set: TrainingSet, start: int, stop: int) -> None:
    whole = list(train(training_set, 0, 12, threads=1))
    part = list(train(training_set, start, stop, threads=3, prefetch=5))
    assert len(part) == stop - start
    for ours, expected in zip(part, whole[start:stop], strict=True):
        assert_equal(ours, expected)


def test_seeds_and_phases_differ(training_set: TrainingSet) -> None:
    base = np.concatenate([batch.rows for batch in train(training_set, 0, 5)])
    for other in (train(training_set, 0, 5, seed=2), train(training_set, 0, 5, phase=1)):
        assert not np.array_equal(base, np.concatenate([batch.rows for batch in other]))


def test_the_batch_size_changes_neither_order_nor_frames(training_set: TrainingSet) -> None:
    small, large = list(train(training_set, 0, 6, batch_size=2)), list(train(training_set, 0, 2, batch_size=6))
    for name in ("rows", "rgb"):
        np.testing.assert_array_equal(*(np.concatenate([getattr(b, name) for b in part]) for part in (small, large)))


def test_a_batch_larger_than_an_epoch(training_set: TrainingSet) -> None:
    batch = next(train(training_set, 0, 1, batch_size=60))
    np.testing.assert_array_equal(batch.rows[:22], epoch_order(REPEATS[0], 1, 0))
    np.testing.assert_array_equal(batch.rows[22:44], epoch_order(REPEATS[0], 1, 1))


def test_memory_is_reused_and_never_under_a_batch_that_is_held(training_set: TrainingSet) -> None:
    expected = [batch.rgb.copy() for batch in train(training_set, 0, 40)]
    held = [(step, batch.rgb[1:, 2:]) for step, batch in enumerate(train(training_set, 0, 40)) if step % 7 == 0]
    for step, part in held:
        np.testing.assert_array_equal(part, expected[step][1:, 2:])
    places = {batch.rgb.__array_interface__["data"][0] for batch in train(training_set, 0, 40, threads=1, prefetch=2)}
    assert len(places) <= 5


def test_endless_training_ends_with_its_consumer(training_set: TrainingSet) -> None:
    for step, batch in enumerate(train(training_set, 0, None)):
        assert batch.rows.shape == (BATCH,)
        if step == 30:
            break
    gc.collect()
    assert loader_threads() == []
    with train(training_set, 5, None) as batches:
        next(batches)
        assert batches.waited_seconds > 0
    assert loader_threads() == []


@pytest.mark.parametrize("batch_size", [1, 5, 23, 40])
def test_prediction_is_in_index_order_and_padded(index: VideoIndex, frames: list[Frames], batch_size: int) -> None:
    batches = list(prediction_batches(index, batch_size=batch_size, sampling=FrameSampling("all", 20)))
    rows = np.concatenate([batch.rows for batch in batches])
    assert rows[:VIDEOS].tolist() == list(range(VIDEOS))
    assert (rows[VIDEOS:] == -1).all()
    assert len(rows) == -(-VIDEOS // batch_size) * batch_size
    assert all(batch.labels is None and batch.rgb.shape == (batch_size, 20, 1024) for batch in batches)
    for position in range(VIDEOS):
        batch, place = batches[position // batch_size], position % batch_size
        valid = batch.num_frames[place]
        assert valid == min(20, len(frames[position].rgb))
        np.testing.assert_array_equal(batch.rgb[place, :valid], frames[position].rgb[:valid])


def test_prediction_with_labels_and_random_frames_is_repeatable(index: VideoIndex) -> None:
    def run(**settings) -> list[Batch]:
        return list(prediction_batches(index, sampling=RANDOM, num_classes=CLASSES, batch_size=8, **settings))

    for once, again in zip(run(threads=1), run(threads=3), strict=True):
        assert_equal(once, again)
    labels = run()[0].labels
    assert labels is not None
    assert np.flatnonzero(labels[3]).tolist() == [3, 4]


def damaged(folder: Path, frames: list[Frames], videos: list[int]) -> VideoIndex:
    index = write(folder, frames)
    for video in videos:
        path = folder / f"train{video // 8}.tfrecord"
        data = bytearray(path.read_bytes())
        data[int(index.offsets[video]) + 600] ^= 1
        path.write_bytes(data)
    return index


def test_a_bad_record_reaches_the_consumer_at_its_batch(tmp_path: Path, frames: list[Frames]) -> None:
    batches = prediction_batches(
        damaged(tmp_path, frames, [9]), batch_size=4, sampling=FrameSampling("all", 2), threads=3
    )
    assert [next(batches).rows[0], next(batches).rows[0]] == [0, 4]
    with pytest.raises(RecordError) as raised:
        next(batches)
    assert (Path(raised.value.path).name, raised.value.record) == ("train1.tfrecord", 1)
    assert next(batches, None) is None
    assert loader_threads() == []


def test_prediction_can_leave_bad_records_out(tmp_path: Path, frames: list[Frames]) -> None:
    batches = prediction_batches(
        damaged(tmp_path, frames, [20, 9, 2]), batch_size=4, sampling=FrameSampling("all", 2), skip_bad_records=True
    )
    rows = np.concatenate([batch.rows for batch in batches])
    assert [row for row in rows if row >= 0] == [row for row in range(VIDEOS) if row not in (2, 9, 20)]
    assert [entry["video_id"] for entry in batches.skipped] == ["vid02", "vid09", "vid20"]


def test_wrong_arguments_are_refused_before_a_byte_is_read(training_set: TrainingSet, index: VideoIndex) -> None:
    with pytest.raises(InputError, match="batch size must be at least 1"):
        train(training_set, 0, 1, batch_size=0)
    with pytest.raises(InputError, match="seed -1: it can be 0 to"):
        train(training_set, 0, 1, seed=-1)
    with pytest.raises(InputError, match="phase 0 of the training set holds no video"):
        train(TrainingSet(index, np.zeros((1, VIDEOS), np.int32), (Phase(),)), 0, 1)
    with pytest.raises(InputError, match=r"video vid22 .* label 23 is not one of the 23 classes"):
        prediction_batches(index, batch_size=4, sampling=RANDOM, num_classes=23)
    with pytest.raises(InputError, match=r"train0\.tfrecord: the index needs"):
        prediction_batches(index, batch_size=4, sampling=RANDOM, source="gone")


def test_batches_that_no_memory_holds_are_refused_at_once(index: VideoIndex, training_set: TrainingSet) -> None:
    too_many = 10**9
    with pytest.raises(InputError, match=r"a batch of 1,000,000,000 videos takes .* GB, .*choose a smaller batch size"):
        prediction_batches(index, batch_size=too_many, sampling=RANDOM, num_classes=CLASSES)
    with pytest.raises(InputError, match="choose a smaller batch size"):
        training_batches(
            training_set, 0, batch_size=too_many, sampling=RANDOM, seed=0, start=0, stop=1, num_classes=CLASSES
        )
