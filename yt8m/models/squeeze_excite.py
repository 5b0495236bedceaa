"""Squeeze-and-excitation gating through a bottleneck."""

from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.numerics import Float32Layer, Shape, Tensor, product_flops


@keras.saving.register_keras_serializable("yt8m")
class SqueezeExcite(Float32Layer):
    """`x * sigmoid(relu(BN(x W1)) W2)` with W1 `[H, H / r]` and W2 `[H / r, H]`, no biases.

    Args:
        reduction: r.

    Call arguments:
        inputs: `[B, H]`.
        training: whether batch norm uses the batch's statistics.

    Returns float32 `[B, H]`.

    Reference: Hu et al. 2018, https://arxiv.org/abs/1709.01507; as in Lin et al. 2018, section 3.3,
    https://arxiv.org/abs/1811.05014
    """

    def __init__(self, reduction: int = 8, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.reduction = reduction
        self.norm = BatchNorm(name="norm", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        size = input_shape[-1] or 0
        small = max(size // self.reduction, 1)
        self.squeeze = self.add_weight(shape=(size, small), initializer="he_normal", name="squeeze")
        self.norm.build((*input_shape[:-1], small))
        self.excite = self.add_weight(shape=(small, size), initializer="he_normal", name="excite")

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        squeezed = ops.relu(self.norm(self._product(inputs, self.squeeze), training=training))
        gates = ops.cast(self._product(squeezed, self.excite), "float32")
        return ops.cast(inputs, "float32") * ops.sigmoid(gates)

    def _product(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(ops.cast(x, self.compute_dtype), ops.cast(kernel, self.compute_dtype))

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        return product_flops(self.squeeze) + product_flops(self.excite)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction}
