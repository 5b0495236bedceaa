"""Small pieces of arithmetic that several layers share; sums and norms are taken in float32."""

import math
from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of whichever backend Keras runs on, or a symbolic one."""

Shape = tuple[int | None, ...]


class Float32Layer(keras.layers.Layer):
    """A layer whose first argument decides the shape of what it returns, which is float32 whatever its compute type."""

    def compute_output_spec(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The symbolic output of symbolic inputs; Keras would take the compute type for its dtype."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype="float32")


def l2_normalize(x: Tensor, axis: int = -1, epsilon: float = 1e-12) -> Tensor:
    """`x / sqrt(max(sum x^2, epsilon))` along `axis`, float32; a zero vector stays zero and has a zero gradient."""
    x = ops.cast(x, "float32")
    square_sum = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square_sum, epsilon))


def frame_mask(num_frames: Tensor, frames: Any) -> Tensor:
    """Which frames are real: float32 `[B, frames]` of ones and zeros, from `num_frames` `[B]`; `frames` a number."""
    positions = ops.arange(frames, dtype="int32")
    return ops.cast(positions[None, :] < ops.cast(num_frames, "int32")[:, None], "float32")


def product_flops(kernel: Any, rows: int = 1) -> int:
    """Floating-point operations of `rows` vectors times a matrix: a multiplication and an addition each weight."""
    return 2 * rows * math.prod(kernel.shape)


def wide_policy(policy: keras.DTypePolicy) -> keras.DTypePolicy:
    """The dtype policy of a layer whose kernel is much larger than its inputs: on a CPU, float32 under mixed_bfloat16.

    At the batches of training such a product is bound by reading the kernel from memory. On a CPU, a copy of the kernel
    in bfloat16, to be written and read again, costs more than its shorter numbers save. On a card it pays: an H200
    takes a step of the paper's NetVLAD in 5.3 ms with it and in 6.3 without (`docs/performance.md`).
    """
    if policy.name != "mixed_bfloat16" or any(name.startswith("gpu") for name in keras.distribution.list_devices()):
        return policy
    return keras.DTypePolicy("float32")


def mean_frame(frames: Tensor, valid: Tensor) -> Tensor:
    """Mean of the real frames, `[B, T, D]` and `valid` `[B, T]` -> float32 `[B, D]`; zero if there are none."""
    total = ops.sum(ops.cast(frames, "float32") * valid[..., None], axis=1)
    return total / ops.maximum(ops.sum(valid, axis=1), 1.0)[:, None]


@keras.saving.register_keras_serializable("yt8m")
class HalfL2(keras.regularizers.Regularizer):
    """The penalty `0.5 * factor * sum w^2`, summed in float32.

    Args:
        factor: weight of the penalty, at least 0.
    """

    def __init__(self, factor: float) -> None:
        self.factor = float(factor)

    def __call__(self, x: Tensor) -> Tensor:
        return 0.5 * self.factor * ops.sum(ops.square(ops.cast(x, "float32")))

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}


def penalty(factor: float) -> HalfL2 | None:
    """`HalfL2(factor)`, or none at all for a factor of zero."""
    return HalfL2(factor) if factor else None
