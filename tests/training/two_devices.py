"""Trains small models on one and on two virtual devices and prints, as JSON, how far apart they end.

For a process of its own: TensorFlow makes its devices once in a process.
"""

import json
import sys
from typing import Any

import numpy as np
import tensorflow as tf

from yt8m import models
from yt8m.models import losses
from yt8m.models.dropout import rows_from
from yt8m.training import engines
from yt8m.training.engines.tensorflow import Learner, find_replicas
from yt8m.training.optimizer import make_optimizer
from yt8m.training.start import synchronize_batch_norm
from yt8m.training.variables import learner_arrays, model_arrays, restore_learner

FRAMES, CLASSES, CLIP = 3, 30, 0.05
SETTINGS: dict[str, Any] = {"clusters": 4, "hidden": 8, "head": "moe"}


def batch(number: int, size: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(number)
    return {
        "rgb": random.integers(0, 256, (size, FRAMES, 1024)).astype(np.uint8),
        "audio": random.integers(0, 256, (size, FRAMES, 128)).astype(np.uint8),
        "num_frames": random.integers(2, FRAMES + 1, size).astype(np.int32),
        "labels": (random.random((size, CLASSES)) < 0.1).astype(np.uint8),
    }


def make(name: str, count: int, *, synchronized: bool = False, **settings: Any) -> Learner:
    replicas = find_replicas(count)
    with replicas.scope():
        model = models.create(name, CLASSES, seed=3, **{**SETTINGS, **settings})
        if synchronized and count > 1:
            synchronize_batch_norm(model, count)
        optimizer = make_optimizer(replicas.Adam, {"name": "adam", "epsilon": 1e-8, "clipnorm": CLIP}, 1e-3, 0.5)
        optimizer.build(model.trainable_variables)
    learner = replicas.learner(model, losses.create("cross_entropy"))
    learner.use(optimizer)
    return learner


def train(learner: Learner, size: int, steps: int) -> dict[str, np.ndarray]:
    for number in range(steps):
        logs = learner.step(learner.replicas.place(batch(number, size)))
    inputs = {name: values for name, values in batch(99, size).items() if name != "labels"}
    outputs = {"predictions": np.asarray(learner.predict(inputs))}
    return {**learner_arrays(learner), **{name: np.asarray(value) for name, value in logs.items()}, **outputs}


def distance(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """The largest difference of any two values, against the larger of 1 and the largest value of their array."""
    assert a.keys() == b.keys()
    return max(
        float(np.abs(a[name].astype(float) - b[name].astype(float)).max() / max(1.0, np.abs(a[name]).max()))
        for name in a
    )


def two_and_one() -> dict[str, Any]:
    """Two replicas of 80 beside one of 160, with batch norm over both and dropout; and the two again from the start.

    As plain graphs: replicas that wait for each other within a step are not compiled either way.
    """
    one, two = (make("netvlad", count, synchronized=True, relu=True, dropout=0.5) for count in (1, 2))
    start = learner_arrays(two)
    runs = [train(one, 160, 3), train(two, 160, 3)]
    restore_learner(two, start)
    runs.append(train(two, 160, 3))
    for run in runs:
        run.pop("hits")  # of two confidences that are equal but for rounding, either may come first
    repeats = all(np.array_equal(runs[1][name], runs[2][name]) for name in runs[1])
    return {"synchronized": distance(runs[0], runs[1]), "repeats": repeats}


def halves() -> dict[str, float]:
    """One step of two replicas with their own statistics, beside the averaged gradients of two separate halves.

    Compiled, hence of a model that compiles quickly.
    """
    two, one = (make("dbof", count, clusters=16, head="logistic") for count in (2, 1))
    whole, start = batch(0, 16), model_arrays(one.model)
    gradients, variables = [], []
    for number in range(2):
        _restore(one, start)
        part = {name: tf.constant(values[8 * number : 8 * number + 8]) for name, values in whole.items()}
        with rows_from(8 * number):
            gradients.append([np.asarray(gradient) for gradient in one._differentiate(part)[0]])
        variables.append(model_arrays(one.model))
    _restore(one, {name: (variables[0][name] + variables[1][name]) / 2 for name in start})
    mean = [(a + b) / 2 for a, b in zip(*gradients, strict=True)]
    one.optimizer.apply([tf.constant(gradient) for gradient in mean], one.model.trainable_variables)
    two.step(two.replicas.place(whole))
    apart = [(_clip(a) + _clip(b)) / 2 - _clip(m) for a, b, m in zip(*gradients, mean, strict=True)]
    clipping = max(float(np.linalg.norm(difference)) for difference in apart)
    return {"halves": distance(learner_arrays(one), learner_arrays(two)), "clipping apart": clipping}


def _restore(learner: Learner, values: dict[str, np.ndarray]) -> None:
    for variable, value in zip(learner.model.variables, values.values(), strict=True):
        variable.assign(value)


def _clip(gradient: np.ndarray) -> np.ndarray:
    return gradient * min(1.0, CLIP / float(np.linalg.norm(gradient)))


def main(_: list[str]) -> None:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    compiled = halves()
    engines.XLA = False
    json.dump({**two_and_one(), **compiled}, sys.stdout)
