"""Weights that lose nothing when they are stored in float16: half the bytes, cast back to float32 when loaded."""

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.errors import InputError

LARGEST = float(np.finfo(np.float16).max)
FULL_PRECISION = ("covariance",)
"""Matrices that are never rounded: NetFV squares its deviations, and divides by their fourth power."""


@dataclass(frozen=True)
class Rounding:
    """What rounding did to a model.

    Attributes:
        rounded: weights that float16 now holds exactly.
        kept: weights that were left in float32.
        flushed: of the rounded ones, those that became zero and were not.
        largest_flushed: the largest magnitude among these.
    """

    rounded: int
    kept: int
    flushed: int
    largest_flushed: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def can_narrow(weight: Any) -> bool:
    """Whether a weight may be stored in float16.

    Matrices may, for they are nearly all of a model's bytes. Vectors (biases, and the scales and statistics of batch
    norm) stay in float32, and so do the matrices of `FULL_PRECISION`.
    """
    return len(weight.shape) > 1 and weight.name not in FULL_PRECISION


def round_to_float16(model: keras.Model) -> Rounding:
    """Round the weights of a model that may be stored in float16 to its values, in place; they remain float32.

    Raises:
        InputError: a weight is too large for float16; the model is then partly rounded.
    """
    kept = sum(_size(weight) for weight in model.weights if not can_narrow(weight))
    parts = [_round(weight) for weight in model.weights if can_narrow(weight)]
    return Rounding(
        rounded=sum(rounded for rounded, _, _ in parts),
        kept=kept,
        flushed=sum(flushed for _, flushed, _ in parts),
        largest_flushed=max((largest for _, _, largest in parts), default=0.0),
    )


def _round(weight: Any) -> tuple[int, int, float]:
    """How many values a weight has, how many of them became zero, and the largest of those."""
    before = np.asarray(ops.convert_to_numpy(weight.value))
    largest = float(np.abs(before).max(initial=0.0))
    if not largest <= LARGEST:
        raise InputError(f"the weight {weight.path} reaches {largest:g}, float16 ends at {LARGEST:g}; export in "
                         "float32 (--export-dtype float32), or train with more regularisation")  # fmt: skip
    after = before.astype(np.float16)
    lost = before[(after == 0) & (before != 0)]
    weight.assign(after.astype(np.float32))
    return before.size, lost.size, float(np.abs(lost).max(initial=0.0))


def _size(weight: Any) -> int:
    return int(np.prod(weight.shape, dtype=np.int64))
