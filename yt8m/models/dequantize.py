"""Quantised features back to numbers."""

from typing import Any

import keras
from keras import ops

from yt8m.models.numerics import Float32Layer, Shape, Tensor

RANGE = 4.0  # features were clipped to [-2, 2] before they were stored in 256 steps
OFFSET = RANGE / 512 - RANGE / 2


@keras.saving.register_keras_serializable("yt8m")
class Dequantize(Float32Layer):
    """`q * 4/255 + (4/512 - 2)` of integer features; float features pass through. Padding becomes zero.

    Call arguments:
        inputs: uint8 or float `[B, T, D]`.
        valid: float32 `[B, T]`, ones on real frames; without it nothing is zeroed.

    Returns float32 `[B, T, D]`.

    Reference: Abu-El-Haija et al. 2016, section 3.3, https://arxiv.org/abs/1609.08675 (8 bits a value)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: Tensor, valid: Tensor | None = None) -> Tensor:
        x = ops.cast(inputs, "float32")
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
            x = x * (RANGE / 255) + OFFSET
        return x if valid is None else x * valid[..., None]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())  # Keras makes a configuration of a dtype policy only where this is overridden
