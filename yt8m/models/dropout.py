"""Dropout whose random bits are cheap on every device."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.numerics import Shape, Tensor

GOLDEN = np.uint32(0x9E3779B9)  # 2^32 / golden ratio: consecutive multiples are spread evenly
_FIRST_ROW: ContextVar[int] = ContextVar("first_row", default=0)


@contextmanager
def rows_from(first: int) -> Iterator[None]:
    """Batches seen inside begin at row `first` of a larger one: each part then drops what the whole would have.

    Replicas that hold parts of a batch thus draw as one that holds all of it, and never the same bits twice.
    """
    token = _FIRST_ROW.set(first)
    try:
        yield
    finally:
        _FIRST_ROW.reset(token)


@keras.saving.register_keras_serializable("yt8m")
class Dropout(keras.layers.Layer):
    """Zero a share of the values in training, and scale the others up so that the expectation stays.

    As `keras.layers.Dropout`, with random bits of its own: compiled for a CPU, Keras' draw takes 0.4 s for a million
    values, longer than a whole step of a small model. Here each value's position is hashed with the seed, which is
    a few operations that fuse with the multiplication.

    Args:
        rate: the share that is zeroed, from 0 to below 1.
        seed: of the draws; a model gives each of its layers another (see `yt8m.models.seeds`).

    Call arguments:
        inputs: `[B, ..., D]`; all sizes but B are known.
        training: whether anything is dropped.

    Reference: Srivastava et al. 2014; the hash is the finaliser of MurmurHash3 over a Weyl sequence, as in Steele
    et al. 2014, "Fast splittable pseudorandom number generators"
    """

    def __init__(self, rate: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.seeds = keras.random.SeedGenerator(seed) if rate else None

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not training or self.seeds is None:
            return inputs
        kept = random_bits(inputs, self.seeds.next()) >= np.uint32(round(self.rate * 2**32))
        return ops.where(kept, inputs / (1.0 - self.rate), ops.zeros_like(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def random_bits(like: Tensor, seed: Tensor) -> Tensor:
    """uint32 of the shape of `like`, from a seed of two integers."""
    seed = ops.cast(seed, "uint32")
    rows = ops.cast(ops.arange(ops.shape(like)[0], dtype="int32") + _FIRST_ROW.get(), "uint32")
    columns = ops.cast(ops.arange(math.prod(like.shape[1:]), dtype="int32"), "uint32")
    keys = _mix(_mix(rows * GOLDEN + seed[0]) + seed[1])
    bits = _mix(keys[:, None] + columns[None, :] * GOLDEN)
    return ops.reshape(bits, (-1, *like.shape[1:]))


def _mix(x: Tensor) -> Tensor:
    """A bijection of uint32 in which each input bit flips each output bit half of the time."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = ops.bitwise_xor(x, ops.right_shift(x, np.uint32(shift))) * np.uint32(factor)
    return ops.bitwise_xor(x, ops.right_shift(x, np.uint32(16)))
