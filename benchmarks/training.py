"""Training steps of the paper's NetVLAD (192 clusters, 1200 hidden) on records of 300 frames, beside two usual loops.

Each number is a whole step at batch 16: reading and decoding records, the copy to the device, gradients and update. The
baselines are float32 throughout, on what most people write for input: tf.data, parsed and dequantised on the host. One
is Keras `fit` exactly as shipped; one differentiates in a `tf.function` and lets the optimizer run eagerly. Ours is the
trainer's own: the loader, the feed and the learner, uint8 frames to the device, one compiled step with the optimizer
inside. The last rows say what share of the time our step waits for input, beside the 5 % it may. About five gigabytes
of memory and five minutes.
"""

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from yt8m.data.rebalance.training_set import Phase, TrainingSet
from yt8m.data.records.build import build_index
from yt8m.data.records.features import Frames
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import RecordWriter
from yt8m.data.records.video_index import read_index

VIDEOS, BATCH, FRAMES, CLASSES = 64, 16, 300, 3862
WARM_UP, STEPS = 2, 8
MOST_WAITING = 0.05
SETTINGS = {"clusters": 192, "hidden": 1200, "relu": True, "gating": False, "head": "moe", "mixtures": 2}
Moment = tuple[float, float]
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def run() -> dict[str, dict]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as folder:
        shard = Path(folder, "bench.tfrecord")
        _write_records(shard)
        fit, eager = _measure(_keras_fit, shard)[0], _measure(_eager_optimizer, shard)[0]
        ours = {name: _measure(_ours, shard, policy) for name, policy in PRECISIONS.items()}
    steps = {
        f"training step, {name}, beside {baseline}": _row(seconds, ours[name][0], "s a step")
        for name in ours
        for baseline, seconds in (("fit as shipped", fit), ("eager optimizer", eager))
    }
    waiting = {
        f"waiting for input, {name}, beside the limit": _row(MOST_WAITING, max(share, 1e-6), "share of the step")
        for name, (_, share) in ours.items()
    }
    return {**steps, **waiting}


def _row(naive: float, ours: float, unit: str) -> dict[str, float | str]:
    return {"naive": naive, "ours": ours, "ratio": naive / ours, "unit": unit}


def _measure(make: Callable[..., Iterable[Moment]], *arguments: Any) -> tuple[float, float]:
    """The median seconds of a step after the warm-up, and the share of them that was waiting, where it is known.

    A maker yields for each step the moment of its end and the seconds that it has waited for input by then.
    """
    ends, waited = np.array(list(make(*arguments))).T
    gc.collect()
    measured = np.diff(ends)[WARM_UP - 1 :]
    return float(np.median(measured)), float((waited[-1] - waited[WARM_UP - 1]) / measured.sum())


def _write_records(path: Path) -> None:
    random = np.random.default_rng(0)
    with RecordWriter(path) as writer:
        for video in range(VIDEOS):
            labels = random.choice(CLASSES, 3, replace=False)
            frames = Frames(*(random.integers(0, 256, (FRAMES, width), np.uint8) for width in (1024, 128)))
            writer.write(encode_record(f"{video:04d}".encode(), labels, frames))


def _dataset(shard: Path) -> Any:
    """What most people write: `(inputs, labels)` in float32, parsed and dequantised on the host, for ever."""
    import tensorflow as tf

    frame = tf.io.FixedLenSequenceFeature([], tf.string)

    def matrix(rows: Any, width: int) -> Any:
        decoded = tf.reshape(tf.cast(tf.io.decode_raw(rows, tf.uint8), tf.float32), [-1, width])[:FRAMES]
        return decoded * (4 / 255) + (4 / 512 - 2)

    def parse(record: Any) -> Any:
        context, lists = tf.io.parse_single_sequence_example(
            record,
            {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)},
            {"rgb": frame, "audio": frame},
        )
        rgb = matrix(lists["rgb"], 1024)
        hot = tf.reduce_max(tf.one_hot(tf.sparse.to_dense(context["labels"]), CLASSES), axis=0)
        return {"rgb": rgb, "audio": matrix(lists["audio"], 128), "num_frames": tf.shape(rgb)[0]}, hot

    shapes = {"rgb": [FRAMES, 1024], "audio": [FRAMES, 128], "num_frames": []}, [CLASSES]
    records = tf.data.TFRecordDataset(str(shard)).repeat().map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return records.padded_batch(BATCH, shapes, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _make_model(policy: str) -> Any:
    from yt8m import models

    return models.create("netvlad", CLASSES, dtype=policy, **SETTINGS)


def _adam() -> Any:
    import keras

    return keras.optimizers.Adam(1e-3, epsilon=1e-8, clipnorm=1.0)


def _keras_fit(shard: Path) -> Iterable[Moment]:
    import keras

    from yt8m.models import losses

    model, loss, ends = _make_model("float32"), losses.create("huber"), list[Moment]()
    model.compile(_adam(), loss=lambda y, p: loss(y, p))
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: ends.append((time.perf_counter(), 0.0)))
    model.fit(_dataset(shard), steps_per_epoch=WARM_UP + STEPS, verbose=0, callbacks=[clock])
    return ends


def _eager_optimizer(shard: Path) -> Iterator[Moment]:
    import tensorflow as tf

    from yt8m.models import losses

    model, optimizer, loss = _make_model("float32"), _adam(), losses.create("huber")
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function
    def differentiate(frames: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            total = loss(labels, model(frames, training=True)) + tf.add_n(model.losses)
        return tape.gradient(total, variables)

    for frames, labels in _dataset(shard).take(WARM_UP + STEPS):
        optimizer.apply(differentiate(frames, labels), model.trainable_variables)
        yield time.perf_counter(), 0.0


def _ours(shard: Path, policy: str) -> Iterator[Moment]:
    from yt8m.loader import FrameSampling, training_batches
    from yt8m.models import losses
    from yt8m.training.engines import find_replicas
    from yt8m.training.feed import Feed
    from yt8m.training.optimizer import make_optimizer

    index_file = shard.with_suffix(".parquet")
    build_index([str(shard)], index_file)
    index, replicas = read_index(index_file), find_replicas("tensorflow", 1)
    training_set = TrainingSet(index, np.ones((1, len(index)), np.int32), (Phase(),))
    learner = replicas.learner(_make_model(policy), losses.create("huber"))
    optimizer = make_optimizer(replicas.Adam, {"name": "adam", "epsilon": 1e-8, "clipnorm": 1.0}, 1e-3)
    optimizer.build(learner.model.trainable_variables)
    learner.use(optimizer)
    batches = training_batches(
        training_set, 0, batch_size=BATCH, sampling=FrameSampling("all", FRAMES), seed=0, start=0,
        stop=WARM_UP + STEPS, num_classes=CLASSES,
    )  # fmt: skip
    with batches, Feed(batches, replicas) as feed:
        for data in feed:
            float(learner.step(data)["loss"])
            yield time.perf_counter(), feed.waited_seconds
