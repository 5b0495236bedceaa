"""Trains small models on one and on two virtual devices and prints, as JSON, how far apart they end.

For a process of its own: TensorFlow makes its devices once in a process.
"""

import json
import sys
from typing import Any

import numpy as np
import tensorflow as tf

from tests.training.few_steps import CLIP, batch, distance, make, train
from yt8m.models.dropout import rows_from
from yt8m.training import engines
from yt8m.training.engines import Learner
from yt8m.training.engines.tensorflow import find_replicas
from yt8m.training.variables import learner_arrays, model_arrays, restore_learner


def two_and_one() -> dict[str, Any]:
    """Two replicas of 80 beside one of 160, with batch norm over both and dropout; and the two again from the start.

    As plain graphs: replicas that wait for each other within a step are not compiled either way.
    """
    devices = find_replicas(1), find_replicas(2)
    one, two = (make(replicas, "netvlad", synchronized=True, relu=True, dropout=0.5) for replicas in devices)
    start = learner_arrays(two)
    runs = [train(learner, replicas, 160, 3) for learner, replicas in zip((one, two), devices, strict=True)]
    restore_learner(two, start)
    runs.append(train(two, devices[1], 160, 3))
    repeats = all(np.array_equal(runs[1][name], runs[2][name]) for name in runs[1])
    return {"synchronized": distance(runs[0], runs[1]), "repeats": repeats}


def halves() -> dict[str, float]:
    """One step of two replicas with their own statistics, beside the averaged gradients of two separate halves.

    Compiled, hence of a model that compiles quickly.
    """
    two, one = (make(find_replicas(count), "dbof", clusters=16, head="logistic") for count in (2, 1))
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
    two.step(find_replicas(2).place(whole))
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
