"""A logistic head that shares strength between labels that occur together."""

from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.label_statistics import label_embedding, label_logits
from yt8m.models.numerics import Float32Layer, Shape, Tensor, penalty, product_flops


@keras.saving.register_keras_serializable("yt8m")
class LabelEmbeddingHead(Float32Layer):
    """`sigmoid((x U) E^T + x W + b)`, with `E` `[V, r]` a frozen factorisation of label co-occurrence.

    `E` is zero until `adapt` sets it: the head is then a logistic one.

    Args:
        num_classes: V.
        dimensions: r.
        l2: the penalty `0.5 l2 sum w^2` on U and W.

    Call arguments:
        inputs: `[B, H]`.

    Returns probabilities, float32 `[B, V]`.

    Reference: the factorisation is `label_statistics.label_embedding`; labels as vectors: Weston et al. 2011 (WSABIE)
    """

    def __init__(self, num_classes: int, dimensions: int = 256, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.l2 = num_classes, l2
        self.dimensions = min(dimensions, num_classes)
        self.project = keras.layers.Dense(
            self.dimensions, use_bias=False, kernel_regularizer=penalty(l2), name="project", dtype=self.dtype_policy
        )
        self.dense = keras.layers.Dense(
            num_classes, kernel_regularizer=penalty(l2), name="dense", dtype=self.dtype_policy
        )

    def build(self, input_shape: Shape) -> None:
        self.project.build(input_shape)
        self.dense.build(input_shape)
        self.embedding = self.add_weight(
            shape=(self.num_classes, self.dimensions), initializer="zeros", trainable=False, name="embedding"
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        shared = ops.matmul(self.project(inputs), ops.transpose(self.embedding))
        return ops.sigmoid(ops.cast(shared, "float32") + ops.cast(self.dense(inputs), "float32"))

    def adapt(self, labels: np.ndarray) -> None:
        """Set the embedding and the biases from multi-hot labels `[N, V]` of training videos."""
        self.embedding.assign(label_embedding(labels, self.dimensions))
        self.dense.bias.assign(label_logits(labels))

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        kernels = (self.project.kernel, self.embedding, self.dense.kernel)
        return sum(product_flops(kernel) for kernel in kernels)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        own = {"num_classes": self.num_classes, "dimensions": self.dimensions, "l2": self.l2}
        return {**super().get_config(), **own}
