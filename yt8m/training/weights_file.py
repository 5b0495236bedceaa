"""The weights file in Keras' own layout, with float16 wherever that loses nothing."""

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from yt8m.storage import PARTIAL


def write_weights(file: Path, model: keras.Model, dtype: str) -> None:
    """Write a model's weights; the same weights give the same bytes.

    Args:
        file: to write; its name ends in `.weights.h5`.
        model: rounded by `yt8m.models.float16.round_to_float16` if float16 is asked for.
        dtype: `float32`; or `float16`, which stores each matrix in float16 if float16 holds all its values, and
            everything else in float32. Keras casts when it loads.
    """
    if dtype == "float32":
        model.save_weights(file)
        return
    wide = file.with_name(f"{PARTIAL}{file.name}")
    try:
        model.save_weights(wide)
        with h5py.File(wide, "r") as source, h5py.File(file, "w") as target:
            _copy_narrow(source, target)
    finally:
        wide.unlink(missing_ok=True)


def _copy_narrow(source: Any, target: Any) -> None:
    """Copy an HDF5 group with its attributes, the matrices narrowed."""
    for key, value in source.attrs.items():
        target.attrs[key] = value
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy_narrow(item, target.create_group(name))
        else:
            copy = target.create_dataset(name, data=_narrow(item[()]))
            for key, value in item.attrs.items():
                copy.attrs[key] = value


def _narrow(values: np.ndarray) -> np.ndarray:
    """The same values in float16, if that holds each of them."""
    if values.ndim < 2 or values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float16)
    return narrow if np.array_equal(narrow, values) else values
