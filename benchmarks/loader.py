"""Input pipeline: frame-level records to batches, tf.data's parse to float32 beside the loader."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from yt8m.data.rebalance.training_set import Phase, TrainingSet
from yt8m.data.records.build import build_index
from yt8m.data.records.features import Frames
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import RecordWriter
from yt8m.data.records.video_index import read_index
from yt8m.loader import FrameSampling, training_batches
from yt8m.loader.order import epoch_order

VIDEOS, FRAMES, CLASSES, BATCH, ROUNDS = 240, 300, 3862, 24, 3
NAIVE_EPOCHS, EPOCHS = 6, 48  # of a round; ours must be long beside the first use of its memory
THREADS = (1, 2, 4, 8)
FULL_SIZE = 3_900_000


def run() -> dict[str, dict]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as folder:
        shard = Path(folder, "bench.tfrecord")
        _write_records(shard)
        build_index([folder], Path(folder, "index.parquet"))
        index = read_index(Path(folder, "index.parquet"))
        training_set = TrainingSet(index, np.ones((1, len(index)), np.int32), (Phase(),))
        results = {}
        naive_cpu, naive_wall = _rate(partial(_tf_data, shard), NAIVE_EPOCHS)
        for count in (FRAMES, 64):
            ours_cpu, ours_wall = _rate(partial(_loader, training_set, count))
            results[f"input pipeline, {count} frames, a core"] = _result(naive_cpu, ours_cpu, "videos/core-s")
            results[f"input pipeline, {count} frames, all cores"] = _result(naive_wall, ours_wall, "videos/s")
        for threads in THREADS:
            cpu, wall = _rate(partial(_loader, training_set, FRAMES, threads))
            results[f"input pipeline, {FRAMES} frames, {threads} threads"] = _result(naive_wall, wall, "videos/s")
            results[f"the same, {threads} threads, a core"] = _result(naive_cpu, cpu, "videos/core-s")
    results["shuffled epoch order, 3.9M videos, 8.5M items"] = _order()
    return results


def _write_records(path: Path) -> None:
    """Records as the dataset has them; the frames are noise, which neither side looks at."""
    random = np.random.default_rng(0)
    with RecordWriter(path) as writer:
        for video in range(VIDEOS):
            labels = random.choice(CLASSES, 3, replace=False)
            frames = Frames(*(random.integers(0, 256, (FRAMES, width), np.uint8) for width in (1024, 128)))
            writer.write(encode_record(f"{video:04d}".encode(), labels, frames))


def _tf_data(shard: Path) -> None:
    """What most people write: parse, decode, dequantise and pad on the host, float32 batches."""
    import tensorflow as tf

    frame = tf.io.FixedLenSequenceFeature([], tf.string)

    def matrix(rows: tf.Tensor, width: int) -> tf.Tensor:
        decoded = tf.reshape(tf.cast(tf.io.decode_raw(rows, tf.uint8), tf.float32), [-1, width])[:FRAMES]
        return decoded * (4 / 255) + (4 / 512 - 2)

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        context, lists = tf.io.parse_single_sequence_example(
            record,
            {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)},
            {"rgb": frame, "audio": frame},
        )
        rgb = matrix(lists["rgb"], 1024)
        hot = tf.reduce_max(tf.one_hot(tf.sparse.to_dense(context["labels"]), CLASSES), axis=0)
        return {"rgb": rgb, "audio": matrix(lists["audio"], 128), "num_frames": tf.shape(rgb)[0], "labels": hot}

    shapes = {"rgb": [FRAMES, 1024], "audio": [FRAMES, 128], "num_frames": [], "labels": [CLASSES]}
    records = tf.data.TFRecordDataset(str(shard)).repeat(NAIVE_EPOCHS).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    for _ in records.padded_batch(BATCH, shapes).prefetch(tf.data.AUTOTUNE):
        pass


def _loader(training_set: TrainingSet, count: int, threads: int | None = None) -> None:
    sampling = FrameSampling("all" if count == FRAMES else "random", count)
    with training_batches(
        training_set, 0, batch_size=BATCH, sampling=sampling, seed=0, start=0, stop=EPOCHS * VIDEOS // BATCH,
        num_classes=CLASSES, threads=threads,
    ) as batches:  # fmt: skip
        for _ in batches:
            pass


def _rate(job: Callable[[], None], epochs: int = EPOCHS) -> tuple[float, float]:
    """Videos a second of processor time and of wall time, the best of some rounds on a warm page cache."""
    job()
    seconds = []
    for _ in range(ROUNDS):
        with _timed(seconds):
            job()
    cpu, wall = np.min(seconds, axis=0)
    return epochs * VIDEOS / float(cpu), epochs * VIDEOS / float(wall)


@contextmanager
def _timed(seconds: list[tuple[float, float]]) -> Iterator[None]:
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    seconds.append((time.process_time() - cpu, time.perf_counter() - wall))


def _order() -> dict:
    """Copies written out and shuffled as a Python list, beside the order as arithmetic."""
    import random

    repeats = np.where(np.arange(FULL_SIZE) % 5 < 3, 3, 1).astype(np.int32)
    started = time.process_time()
    copies = [row for row, repeat in enumerate(repeats.tolist()) for _ in range(repeat)]
    random.Random(0).shuffle(copies)
    naive = time.process_time() - started
    del copies
    started = time.process_time()
    epoch_order(repeats, 0, 0)
    ours = time.process_time() - started
    return {"naive": naive, "ours": ours, "ratio": naive / ours, "unit": "s"}


def _result(naive: float, ours: float, unit: str) -> dict:
    return {"naive": naive, "ours": ours, "ratio": ours / naive, "unit": unit}
