"""A few steps of a small model by the engine in force, and all that they leave, as arrays."""

from typing import Any

import numpy as np

from yt8m import models
from yt8m.models import losses
from yt8m.training.engines import Learner, Replicas
from yt8m.training.optimizer import make_optimizer
from yt8m.training.start import synchronize_batch_norm
from yt8m.training.variables import learner_arrays

FRAMES, CLASSES, CLIP = 3, 30, 0.05
SIZE, FEW, MANY = 16, 3, 20
SETTINGS: dict[str, Any] = {"clusters": 4, "hidden": 8, "head": "moe"}
QUICK: dict[str, Any] = {"name": "dbof", "clusters": 16, "head": "logistic", "gating": False, "relu": True,
                         "dropout": 0.5, "epsilon": 1e-3, "taught": True}  # fmt: skip
"""A model that compiles in no time, with batch norm over frames and over videos, and dropout."""


def batch(number: int, size: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(number)
    return {
        "rgb": random.integers(0, 256, (size, FRAMES, 1024)).astype(np.uint8),
        "audio": random.integers(0, 256, (size, FRAMES, 128)).astype(np.uint8),
        "num_frames": random.integers(2, FRAMES + 1, size).astype(np.int32),
        "labels": (random.random((size, CLASSES)) < 0.1).astype(np.uint8),
    }


def make(
    replicas: Replicas,
    name: str,
    *,
    synchronized: bool = False,
    epsilon: float = 1e-8,
    taught: bool = False,
    **settings: Any,
) -> Learner:
    """A learner with clipped gradients and an average of the weights.

    Adam's epsilon keeps it from taking whole steps for gradients that are zero but for rounding, if it is large. With
    `taught`, half of the loss comes from a teacher, whose weights no random numbers of an engine decide.
    """
    how: dict[str, Any] = {}
    with replicas.scope():
        model = models.create(name, CLASSES, seed=3, **{**SETTINGS, **settings})
        if synchronized and replicas.count > 1:
            synchronize_batch_norm(model, replicas.count)
        optimizer = make_optimizer(replicas.Adam, {"name": "adam", "epsilon": epsilon, "clipnorm": CLIP}, 1e-3, 0.5)
        optimizer.build(model.trainable_variables)
        if taught:
            teacher = models.create("logistic", CLASSES)
            for variable in teacher.trainable_variables:
                values = np.random.default_rng(5).normal(0, 2, variable.shape)
                variable.assign(values.astype(np.float32))
            how = {"teacher": teacher, "distillation": (losses.create("distillation"), 0.5)}
    learner = replicas.learner(model, losses.create("cross_entropy"), **how)
    learner.use(optimizer)
    return learner


def train(learner: Learner, replicas: Replicas, size: int, steps: int, done: int = 0) -> dict[str, np.ndarray]:
    """All variables after so many steps (a number are done already), what the last of them told, and predictions."""
    for number in range(done, steps):
        logs = learner.step(replicas.place(batch(number, size)))
    inputs = {name: values for name, values in batch(99, size).items() if name != "labels"}
    outputs = {"predictions": np.asarray(learner.predict(inputs))}
    return {**learner_arrays(learner), **{name: np.asarray(value) for name, value in logs.items()}, **outputs}


def distance(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """The largest difference of any two values, against the larger of 1 and the largest value of their array.

    Of two confidences that are equal but for rounding, either may come first: `hits` are passed over.
    """
    assert a.keys() == b.keys()
    return max(
        float(np.abs(a[name].astype(float) - b[name].astype(float)).max() / max(1.0, np.abs(a[name]).max()))
        for name in a
        if name != "hits"
    )
