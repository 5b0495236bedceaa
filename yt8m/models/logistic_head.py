"""Logistic regression for each label."""

from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.label_statistics import label_logits
from yt8m.models.numerics import Float32Layer, Shape, Tensor, penalty, product_flops


@keras.saving.register_keras_serializable("yt8m")
class LogisticHead(Float32Layer):
    """`sigmoid(x W + b)`, or the logits alone.

    Args:
        num_classes: V.
        l2: the penalty `0.5 l2 sum w^2` on the weights.
        l2_biases: whether the penalty takes in the biases.
        initializer: of the weights.
        logits: return logits, not probabilities.

    Call arguments:
        inputs: `[B, H]`.

    Returns float32 `[B, V]`.
    """

    def __init__(
        self,
        num_classes: int,
        l2: float = 1e-8,
        l2_biases: bool = False,
        initializer: str = "glorot_uniform",
        logits: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.l2, self.l2_biases = num_classes, l2, l2_biases
        self.initializer, self.logits = initializer, logits
        self.dense = keras.layers.Dense(
            num_classes,
            kernel_initializer=initializer,
            kernel_regularizer=penalty(l2),
            bias_regularizer=penalty(l2 if l2_biases else 0.0),
            name="dense",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Shape) -> None:
        self.dense.build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        logits = ops.cast(self.dense(inputs), "float32")
        return logits if self.logits else ops.sigmoid(logits)

    def adapt(self, labels: np.ndarray) -> None:
        """Set the biases to the logits of the label rates in multi-hot labels `[N, V]`."""
        self.dense.bias.assign(label_logits(labels))

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        return product_flops(self.dense.kernel)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        own = {"num_classes": self.num_classes, "l2": self.l2, "l2_biases": self.l2_biases}
        return {**super().get_config(), **own, "initializer": self.initializer, "logits": self.logits}
