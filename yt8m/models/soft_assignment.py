"""Soft assignment of frames to clusters, shared by the aggregations."""

import math
from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.numerics import Float32Layer, Shape, Tensor, product_flops


@keras.saving.register_keras_serializable("yt8m")
class SoftAssignment(Float32Layer):
    """`softmax(BN(x W))` over clusters, zero on padding.

    Args:
        clusters: K.
        initializer: of `W` `[D, K]`; normal with deviation 1/sqrt(D) by default.

    Call arguments:
        inputs: frames `[B, T, D]`.
        valid: float32 `[B, T]`, ones on real frames.
        training: whether batch norm uses the batch's statistics.

    Returns float32 `[B, T, K]`.

    Reference: Miech et al. 2017, section 3.1, https://arxiv.org/abs/1706.06905
    """

    def __init__(self, clusters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clusters = clusters
        self.norm = BatchNorm(name="norm", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.clusters),
            initializer=unit_normal(input_shape[-1]),
            name="kernel",
            autocast=False,
        )
        self.norm.build((*input_shape[:-1], self.clusters))

    def call(self, inputs: Tensor, valid: Tensor | None = None, training: bool | None = None) -> Tensor:
        logits = self.norm(ops.matmul(inputs, ops.cast(self.kernel, inputs.dtype)), valid=valid, training=training)
        assignment = ops.softmax(logits, axis=-1)
        return assignment if valid is None else assignment * ops.cast(valid, "float32")[..., None]

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        return product_flops(self.kernel, frames)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.clusters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clusters": self.clusters}


def unit_normal(dimensions: int | None, mean: float = 0.0) -> keras.initializers.Initializer:
    """Normal with deviation `1/sqrt(dimensions)`, so that a column has a norm of about one."""
    return keras.initializers.RandomNormal(mean=mean, stddev=1 / math.sqrt(dimensions or 1))
