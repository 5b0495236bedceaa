"""Context gating: each component is weighed by what the others say."""

from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.numerics import Float32Layer, Shape, Tensor, product_flops
from yt8m.models.soft_assignment import unit_normal


@keras.saving.register_keras_serializable("yt8m")
class ContextGating(Float32Layer):
    """`x * sigmoid(BN(x W))`, of features or of probabilities.

    Call arguments:
        inputs: `[B, H]`.
        training: whether batch norm uses the batch's statistics.

    Returns float32 `[B, H]`.

    Reference: Miech et al. 2017, equation 1, https://arxiv.org/abs/1706.06905
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.norm = BatchNorm(name="norm", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        size = input_shape[-1]
        self.kernel = self.add_weight(shape=(size, size), initializer=unit_normal(size), name="kernel")
        self.norm.build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        product = ops.matmul(ops.cast(inputs, self.compute_dtype), ops.cast(self.kernel, self.compute_dtype))
        return ops.cast(inputs, "float32") * ops.sigmoid(self.norm(product, training=training))

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        return product_flops(self.kernel)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())  # Keras makes a configuration of a dtype policy only where this is overridden
