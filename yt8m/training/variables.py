"""The variables of a model and its optimizer as NumPy arrays, by position, and back; and the average of the weights."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from yt8m.training.engines import Learner


def model_arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Everything that decides what the model does next: weights, statistics, and the state of its random draws."""
    return _arrays("model", model.variables)


def learner_arrays(learner: Learner) -> dict[str, np.ndarray]:
    """The model's variables and the optimizer's (moments, step count, and the average of the weights if it is kept)."""
    assert learner.optimizer is not None
    return {**model_arrays(learner.model), **_arrays("optimizer", learner.optimizer.variables)}


def restore_model(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """The inverse of `model_arrays`; others among the arrays are passed over."""
    _restore("model", model.variables, arrays)


def restore_learner(learner: Learner, arrays: Mapping[str, np.ndarray]) -> None:
    """The inverse of `learner_arrays`; others among the arrays are passed over."""
    assert learner.optimizer is not None
    restore_model(learner.model, arrays)
    _restore("optimizer", learner.optimizer.variables, arrays)


def copy_variables(source: keras.optimizers.Optimizer, target: keras.optimizers.Optimizer) -> None:
    """Give an optimizer the moments, step count and average of another of the same kind and variables."""
    for old, new in zip(source.variables, target.variables, strict=True):
        new.assign(_to_numpy(old))


def take_average(learner: Learner) -> None:
    """Give the model the weights that validation and export use: their average, if one is kept.

    Batch norm's moving statistics are averages already, and stay.
    """
    optimizer = learner.optimizer
    if optimizer is not None and optimizer.use_ema:
        averages = optimizer._model_variables_moving_average
        for weight, average in zip(learner.model.trainable_variables, averages, strict=True):
            weight.assign(_to_numpy(average))


@contextmanager
def averaged(learner: Learner) -> Iterator[None]:
    """`take_average` for the time of a `with` block."""
    weights = learner.model.trainable_variables
    kept = [_to_numpy(weight) for weight in weights] if learner.optimizer and learner.optimizer.use_ema else []
    take_average(learner)
    try:
        yield
    finally:
        for weight, value in zip(weights, kept, strict=False):
            weight.assign(value)


def not_finite(model: keras.Model) -> list[str]:
    """Paths of the weights that hold an infinity or NaN."""
    return [v.path for v in model.weights if not np.isfinite(_to_numpy(v)).all()]


def _to_numpy(variable: Any) -> np.ndarray:
    # A copy: on a CPU, the array may be the variable's own memory, which the next step changes.
    return np.array(keras.ops.convert_to_numpy(variable.value))


def _arrays(part: str, variables: Iterable[Any]) -> dict[str, np.ndarray]:
    return {f"{part}/{i}": _to_numpy(v) for i, v in enumerate(variables)}


def _restore(part: str, variables: Iterable[Any], arrays: Mapping[str, np.ndarray]) -> None:
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"{part}/{i}"])
