"""NeXtVLAD: residuals to centres in groups of a widened frame, each group weighed by an attention."""

from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.net_vlad import flatten, weighted_sum
from yt8m.models.numerics import Float32Layer, Shape, Tensor, l2_normalize, product_flops


@keras.saving.register_keras_serializable("yt8m")
class NeXtVLAD(Float32Layer):
    """One vector of a set of frames, through `expansion * D` dimensions split into groups.

    With `x' = x E + e` split into G groups of `F = expansion * D / G` dimensions, attention
    `b_tg = sigmoid(x'_t A + a)_g` (zero on padding) and assignment `a_tgk = softmax_k(BN(x' W))_gk`:
    `v_k = sum_tg a_tgk b_tg (x'_tg - c_k)`, unit norm for each cluster, flattened (dimension d of cluster k at
    `d * K + k`), batch norm. Padding counts in the batch norms, as in the authors' training.

    Args:
        clusters: K.
        groups: G, a divisor of `expansion * D`.
        expansion: how much wider the frames are made.

    Call arguments:
        inputs: frames `[B, T, D]`.
        valid: float32 `[B, T]`, ones on real frames.
        training: whether batch norms use the batch's statistics.

    Returns float32 `[B, F * K]`.

    Raises:
        ValueError: when built for dimensions that the groups do not divide.

    Reference: Lin et al. 2018, section 3.2, https://arxiv.org/abs/1811.05014
    """

    def __init__(self, clusters: int, groups: int = 8, expansion: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clusters, self.groups, self.expansion = clusters, groups, expansion
        dtype = self.dtype_policy
        self.assignment_norm = BatchNorm(unbiased=False, name="assignment_norm", dtype=dtype)
        self.output_norm = BatchNorm(unbiased=False, name="output_norm", dtype=dtype)

    def build(self, input_shape: Shape) -> None:
        wide, each = self._widths(input_shape)
        dtype = self.dtype_policy
        self.expand = keras.layers.Dense(wide, kernel_initializer="he_normal", name="expand", dtype=dtype)
        self.expand.build(input_shape)
        self.attention = keras.layers.Dense(self.groups, kernel_initializer="he_normal", name="attention", dtype=dtype)
        self.attention.build((*input_shape[:-1], wide))
        self.kernel = self.add_weight(shape=(wide, self.groups * self.clusters), initializer="he_normal", name="kernel")
        self.assignment_norm.build((*input_shape[:-1], self.groups * self.clusters))
        self.centres = self.add_weight(
            shape=(each, self.clusters), initializer="he_normal", name="centres", autocast=False
        )
        self.output_norm.build((input_shape[0], each * self.clusters))

    def call(self, inputs: Tensor, valid: Tensor | None = None, training: bool | None = None) -> Tensor:
        wide = self.expand(inputs)
        weights = self._weights(wide, valid, training)
        parts = ops.reshape(wide, (-1, ops.shape(weights)[1], self.centres.shape[0]))
        mass = ops.sum(weights, axis=1, keepdims=True)
        residual = weighted_sum(parts, weights) - mass * ops.cast(self.centres, "float32")
        return self.output_norm(flatten(l2_normalize(residual, axis=1)), training=training)

    def _weights(self, wide: Tensor, valid: Tensor | None, training: bool | None) -> Tensor:
        """Assignment times attention of each group of each frame, float32 `[B, T * G, K]`."""
        frames = ops.shape(wide)[1]
        attention = ops.sigmoid(ops.cast(self.attention(wide), "float32"))
        if valid is not None:
            attention = attention * ops.cast(valid, "float32")[..., None]
        logits = self.assignment_norm(ops.matmul(wide, self.kernel), training=training)
        assignment = ops.softmax(ops.reshape(logits, (-1, frames * self.groups, self.clusters)), axis=-1)
        return assignment * ops.reshape(attention, (-1, frames * self.groups, 1))

    def _widths(self, input_shape: Shape) -> tuple[int, int]:
        """Dimensions of a widened frame, and of one of its groups."""
        wide = self.expansion * (input_shape[-1] or 0)
        if wide % self.groups:
            raise ValueError(f"groups must divide {wide} (expansion * dimensions), got {self.groups}")
        return wide, wide // self.groups

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        kernels = (self.expand.kernel, self.attention.kernel, self.kernel)
        aggregation = product_flops(self.centres, frames * self.groups)
        return sum(product_flops(kernel, frames) for kernel in kernels) + aggregation

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self._widths(input_shape)[1] * self.clusters)

    def get_config(self) -> dict[str, Any]:
        own = {"clusters": self.clusters, "groups": self.groups, "expansion": self.expansion}
        return {**super().get_config(), **own}
