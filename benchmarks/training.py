"""A training step of the paper's NetVLAD (192 clusters, 1200 hidden), batch 16, 300 frames, beside two usual loops.

The baselines are float32 throughout: Keras `fit` as shipped on float32 frames, and a loop that differentiates in a
`tf.function` and lets the optimizer run eagerly. Ours is the learner's own step under `fit`: uint8 frames in, one
compiled step with the optimizer inside. About four gigabytes of memory and four minutes.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH, FRAMES, CLASSES = 16, 300, 3862
WARM_UP, STEPS = 2, 6
SETTINGS = {"clusters": 192, "hidden": 1200, "relu": True, "gating": False, "head": "moe", "mixtures": 2}


def run() -> dict[str, dict]:
    fit = _measure(_keras_fit)
    eager = _measure(_eager_optimizer)
    ours = {dtype: _measure(lambda dtype=dtype: _ours(dtype)) for dtype in ("float32", "mixed_bfloat16")}
    return {
        f"training step, {dtype.removeprefix('mixed_')}, beside {name}": {
            "naive": seconds, "ours": ours[dtype], "ratio": seconds / ours[dtype], "unit": "s a step",
        }
        for dtype in ours
        for name, seconds in (("fit as shipped", fit), ("eager optimizer", eager))
    }  # fmt: skip


def _measure(make: Callable[[], Callable[[], Any]]) -> float:
    """The median seconds of a step."""
    step = make()
    times = []
    for _ in range(WARM_UP + STEPS):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    del step
    gc.collect()
    return float(np.median(times[WARM_UP:]))


def _inputs() -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(0)
    frames = {
        name: random.integers(0, 256, (BATCH, FRAMES, width)).astype(np.uint8)
        for name, width in (("rgb", 1024), ("audio", 128))
    }
    labels = (random.random((BATCH, CLASSES)) < 3 / CLASSES).astype(np.uint8)
    return {**frames, "num_frames": np.full(BATCH, FRAMES, np.int32)}, labels


def _dequantised() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What most input pipelines hand over: float32 frames."""
    frames, labels = _inputs()
    floats = {name: frames[name].astype(np.float32) * (4 / 255) + (4 / 512 - 2) for name in ("rgb", "audio")}
    return {**floats, "num_frames": frames["num_frames"]}, labels.astype(np.float32)


def _make_model(dtype: str) -> Any:
    from yt8m import models

    return models.create("netvlad", CLASSES, dtype=dtype, **SETTINGS)


def _optimizer() -> Any:
    import keras

    return keras.optimizers.Adam(1e-3, epsilon=1e-8, clipnorm=1.0)


def _keras_fit() -> Callable[[], Any]:
    from yt8m import losses

    model, (frames, labels) = _make_model("float32"), _dequantised()
    loss = losses.create("huber")
    model.compile(_optimizer(), loss=lambda y, p: loss(y, p))
    return lambda: model.fit(frames, labels, batch_size=BATCH, verbose=0)


def _eager_optimizer() -> Callable[[], Any]:
    import tensorflow as tf

    from yt8m import losses

    model, (frames, labels), optimizer = _make_model("float32"), _dequantised(), _optimizer()
    loss = losses.create("huber")
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function
    def differentiate(frames: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            total = loss(labels, model(frames, training=True)) + tf.add_n(model.losses)
        return tape.gradient(total, variables)

    def step() -> None:
        gradients = differentiate({name: tf.constant(value) for name, value in frames.items()}, tf.constant(labels))
        optimizer.apply(gradients, model.trainable_variables)

    return step


def _ours(dtype: str) -> Callable[[], Any]:
    import tensorflow as tf

    from yt8m import losses
    from yt8m.training.learner import Learner

    frames, labels = _inputs()
    learner = Learner(_make_model(dtype), losses.create("huber"))
    learner.compile(optimizer=_optimizer(), jit_compile=True)
    dataset = tf.data.Dataset.from_tensors((frames, labels))
    return lambda: learner.fit(dataset, epochs=1, shuffle=False, verbose=0)
