"""A soft bag of frames: how much of a video falls into each cluster."""

from typing import Any

import keras
from keras import ops

from yt8m.models.numerics import Float32Layer, Shape, Tensor, l2_normalize
from yt8m.models.soft_assignment import SoftAssignment


@keras.saving.register_keras_serializable("yt8m")
class SoftDBoF(Float32Layer):
    """`sum_t a_tk` with unit norm, and if wanted `max_t a_tk` with unit norm beside it.

    Args:
        clusters: K.
        max_pooling: also the maximum over frames.

    Call arguments:
        inputs: frames `[B, T, D]`.
        valid: float32 `[B, T]`, ones on real frames.
        training: whether batch norm uses the batch's statistics.

    Returns float32 `[B, K]`, or `[B, 2 K]` with the maximum.

    Reference: Miech et al. 2017, section 3.1, https://arxiv.org/abs/1706.06905
    """

    def __init__(self, clusters: int, max_pooling: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clusters, self.max_pooling = clusters, max_pooling
        self.assignment = SoftAssignment(clusters, name="assignment", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.assignment.build(input_shape)

    def call(self, inputs: Tensor, valid: Tensor | None = None, training: bool | None = None) -> Tensor:
        assignment = self.assignment(inputs, valid=valid, training=training)
        parts = [l2_normalize(ops.sum(assignment, axis=1))]
        if self.max_pooling:
            parts.append(l2_normalize(ops.max(assignment, axis=1)))
        return ops.concatenate(parts, axis=-1)

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        return self.assignment.flops(frames)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.clusters * (2 if self.max_pooling else 1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clusters": self.clusters, "max_pooling": self.max_pooling}
