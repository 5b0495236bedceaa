"""NetVLAD: residuals of frames to learned centres, summed by soft assignment."""

from typing import Any

import keras
from keras import ops

from yt8m.models.numerics import Float32Layer, Shape, Tensor, l2_normalize, product_flops
from yt8m.models.soft_assignment import SoftAssignment, unit_normal


@keras.saving.register_keras_serializable("yt8m")
class NetVLAD(Float32Layer):
    """One vector of a set of frames: `v_k = sum_t a_tk x_t - (sum_t a_tk) c_k`, normalised.

    Each cluster's residual gets unit norm (intra-normalisation), then the whole vector does. Its component of
    dimension d and cluster k lies at `d * K + k`.

    Args:
        clusters: K.
        centres: subtract learned centres; without them this is LightVLAD.

    Call arguments:
        inputs: frames `[B, T, D]`.
        valid: float32 `[B, T]`, ones on real frames.
        training: whether batch norm uses the batch's statistics.

    Returns float32 `[B, D * K]`.

    Example: `NetVLAD(64)(frames)` of frames `[8, 300, 1024]` has the shape `[8, 65536]`.

    Reference: Arandjelovic et al. 2016, equation 4, https://arxiv.org/abs/1511.07247; Miech et al. 2017, section 3.1,
    https://arxiv.org/abs/1706.06905
    """

    def __init__(self, clusters: int, centres: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clusters = clusters
        self.has_centres = centres
        self.assignment = SoftAssignment(clusters, name="assignment", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.assignment.build(input_shape)
        if self.has_centres:
            dimensions = input_shape[-1]
            self.centres = self.add_weight(
                shape=(dimensions, self.clusters), initializer=unit_normal(dimensions), name="centres", autocast=False
            )

    def call(self, inputs: Tensor, valid: Tensor | None = None, training: bool | None = None) -> Tensor:
        assignment = self.assignment(inputs, valid=valid, training=training)
        residual = weighted_sum(inputs, assignment)
        if self.has_centres:
            mass = ops.sum(assignment, axis=1, keepdims=True)
            residual = residual - mass * ops.cast(self.centres, "float32")
        return l2_normalize(flatten(l2_normalize(residual, axis=1)))

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        kernel = self.assignment.kernel
        return self.assignment.flops(frames) + product_flops(kernel, frames)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1] * self.clusters)  # type: ignore[operator]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clusters": self.clusters, "centres": self.has_centres}


def weighted_sum(frames: Tensor, weights: Tensor) -> Tensor:
    """`sum_t w_tk x_t`: frames `[B, T, D]` and weights `[B, T, K]` -> float32 `[B, D, K]`."""
    product = ops.matmul(ops.transpose(frames, (0, 2, 1)), ops.cast(weights, frames.dtype))
    return ops.cast(product, "float32")


def flatten(x: Tensor) -> Tensor:
    """`[B, D, K]` -> `[B, D * K]`."""
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2]))
