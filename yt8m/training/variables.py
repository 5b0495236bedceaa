"""The variables of a model and its optimizer as NumPy arrays, by position and path, and back."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from yt8m.training.learner import Learner


def model_arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Everything that decides what the model does next: weights, statistics, and the state of its random draws."""
    return _arrays("model", model.variables)


def learner_arrays(learner: Learner) -> dict[str, np.ndarray]:
    """The model's variables and the optimizer's (moments and step count)."""
    return {**model_arrays(learner.model), **_arrays("optimizer", learner.optimizer.variables)}


def restore_model(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """The inverse of `model_arrays`; others among the arrays are passed over."""
    _restore("model", model.variables, arrays)


def restore_learner(learner: Learner, arrays: Mapping[str, np.ndarray]) -> None:
    """The inverse of `learner_arrays`; others among the arrays are passed over."""
    restore_model(learner.model, arrays)
    _restore("optimizer", learner.optimizer.variables, arrays)


def copy_variables(source: keras.optimizers.Optimizer, target: keras.optimizers.Optimizer) -> None:
    """Give an optimizer the moments and the step count of another of the same kind and variables."""
    for old, new in zip(source.variables, target.variables, strict=True):
        new.assign(old)


def not_finite(model: keras.Model) -> list[str]:
    """Paths of the weights that hold an infinity or NaN."""
    return [v.path for v in model.weights if not np.isfinite(keras.ops.convert_to_numpy(v.value)).all()]


def _arrays(part: str, variables: Iterable[Any]) -> dict[str, np.ndarray]:
    # A copy: on a CPU, the array may be the variable's own memory, which the next step changes.
    return {f"{part}/{i}": np.array(keras.ops.convert_to_numpy(v.value)) for i, v in enumerate(variables)}


def _restore(part: str, variables: Iterable[Any], arrays: Mapping[str, np.ndarray]) -> None:
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"{part}/{i}"])
