"""NetFV: first and second order statistics of frames around learned Gaussians (a learned Fisher vector)."""

from typing import Any

import keras
from keras import ops

from yt8m.models.net_vlad import flatten, weighted_sum
from yt8m.models.numerics import Float32Layer, Shape, Tensor, l2_normalize, product_flops
from yt8m.models.soft_assignment import SoftAssignment, unit_normal


@keras.saving.register_keras_serializable("yt8m")
class NetFV(Float32Layer):
    """Two vectors of a set of frames, concatenated, with `cov = w^2 + 1e-6`.

    First order: `(sum_t a x - (sum_t a) c) / cov`, unit norm for each cluster, then for the whole.
    Second order: `((sum_t a) c^2 + sum_t a x^2 - 2 (sum_t a x) c) / cov^2 - sum_t a`, unit norm for the whole.

    Args:
        clusters: K.
        coupling: the centres are this times the assignment's weights; None makes them free variables.

    Call arguments:
        inputs: frames `[B, T, D]`.
        valid: float32 `[B, T]`, ones on real frames.
        training: whether batch norm uses the batch's statistics.

    Returns float32 `[B, 2 * D * K]`.

    Reference: Miech et al. 2017, section 3.1, https://arxiv.org/abs/1706.06905; Perronnin and Dance 2007
    """

    def __init__(self, clusters: int, coupling: float | None = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clusters = clusters
        self.coupling = coupling
        self.assignment = SoftAssignment(clusters, name="assignment", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        dimensions = input_shape[-1]
        shape = (dimensions, self.clusters)
        self.assignment.build(input_shape)
        self.covariance = self.add_weight(
            shape=shape, initializer=unit_normal(dimensions, mean=1.0), name="covariance", autocast=False
        )
        if self.coupling is None:
            self.free_centres = self.add_weight(
                shape=shape, initializer=unit_normal(dimensions), name="centres", autocast=False
            )

    def call(self, inputs: Tensor, valid: Tensor | None = None, training: bool | None = None) -> Tensor:
        assignment = self.assignment(inputs, valid=valid, training=training)
        mass = ops.sum(assignment, axis=1, keepdims=True)
        covariance = ops.square(ops.cast(self.covariance, "float32")) + 1e-6
        centres = self._centres()
        first_sum = weighted_sum(inputs, assignment)
        second_sum = weighted_sum(ops.square(inputs), assignment)
        first = (first_sum - mass * centres) / covariance
        spread = mass * ops.square(centres) + second_sum - 2.0 * first_sum * centres
        second = spread / ops.square(covariance) - mass
        first = l2_normalize(flatten(l2_normalize(first, axis=1)))
        return ops.concatenate([first, l2_normalize(flatten(second))], axis=-1)

    def _centres(self) -> Tensor:
        if self.coupling is None:
            return ops.cast(self.free_centres, "float32")
        return self.coupling * ops.cast(self.assignment.kernel, "float32")

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        return self.assignment.flops(frames) + 2 * product_flops(self.covariance, frames)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], 2 * input_shape[-1] * self.clusters)  # type: ignore[operator]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clusters": self.clusters, "coupling": self.coupling}
