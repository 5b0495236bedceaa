"""The classifier on top of a video's vector, by name."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.context_gating import ContextGating
from yt8m.models.numerics import Float32Layer, Shape, Tensor, penalty, product_flops
from yt8m.models.settings import require

HEADS = ("moe", "logistic", "label-embedding")


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """Which classifier, and its shape.

    Attributes:
        head: `moe`, `logistic`, or `label-embedding` (which the model's `adapt` has to be called for).
        mixtures: experts a label (moe).
        gate_rank: rank of the gates' weights; None for full (moe).
        probability_gating: context gating of the probabilities (moe).
        l2: the penalty `0.5 l2 sum w^2` on the head's weights.
    """

    head: str = "moe"
    mixtures: int = 2
    gate_rank: int | None = None
    probability_gating: bool = False
    l2: float = 1e-6

    def __post_init__(self) -> None:
        require(self.head in HEADS, f"head must be one of {', '.join(HEADS)}, got '{self.head}'")
        require(self.mixtures >= 1, f"mixtures must be at least 1, got {self.mixtures}")
        require(self.gate_rank is None or self.gate_rank >= 1, f"gate_rank must be at least 1, got {self.gate_rank}")
        require(self.l2 >= 0, f"l2 must be at least 0, got {self.l2}")


def make_head(num_classes: int, settings: HeadSettings, dtype: Any) -> keras.layers.Layer:
    """The head that the settings ask for, of `[B, H]` -> probabilities `[B, num_classes]`."""
    if settings.head == "logistic":
        return LogisticHead(num_classes, l2=settings.l2, name="head", dtype=dtype)
    if settings.head == "label-embedding":
        return LabelEmbeddingHead(num_classes, l2=settings.l2, name="head", dtype=dtype)
    return MixtureOfExperts(
        num_classes,
        mixtures=settings.mixtures,
        gate_rank=settings.gate_rank,
        probability_gating=settings.probability_gating,
        l2=settings.l2,
        name="head",
        dtype=dtype,
    )


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


@keras.saving.register_keras_serializable("yt8m")
class MixtureOfExperts(Float32Layer):
    """`p = sum_m softmax(gates)_m sigmoid(experts)_m` for each label, with one more gate that stands for "no".

    Args:
        num_classes: V.
        mixtures: M, experts a label.
        gate_rank: the gates' weights are a product `[H, r] @ [r, V (M + 1)]`; None for a full matrix.
        probability_gating: context gating of the resulting probabilities.
        l2: the penalty `0.5 l2 sum w^2` on gates and experts, not on biases.

    Call arguments:
        inputs: `[B, H]`.
        training: whether the gating's batch norm uses the batch's statistics.

    Returns probabilities, float32 `[B, V]`.

    Reference: Jordan and Jacobs 1994; Abu-El-Haija et al. 2016, section 4.2.3, https://arxiv.org/abs/1609.08675;
    probability gating: Miech et al. 2017, section 3.3, https://arxiv.org/abs/1706.06905
    """

    def __init__(
        self,
        num_classes: int,
        mixtures: int = 2,
        gate_rank: int | None = None,
        probability_gating: bool = False,
        l2: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.mixtures, self.gate_rank, self.l2 = num_classes, mixtures, gate_rank, l2
        self.gates = self._dense(num_classes * (mixtures + 1), "gates", use_bias=False)
        self.gate_reduction = None if gate_rank is None else self._dense(gate_rank, "gate_reduction", use_bias=False)
        self.experts = self._dense(num_classes * mixtures, "experts", use_bias=True)
        self.gating = ContextGating(name="gating", dtype=self.dtype_policy) if probability_gating else None

    def _dense(self, units: int, name: str, use_bias: bool) -> keras.layers.Dense:
        return keras.layers.Dense(
            units, use_bias=use_bias, kernel_regularizer=penalty(self.l2), name=name, dtype=self.dtype_policy
        )

    def build(self, input_shape: Shape) -> None:
        self.experts.build(input_shape)
        if self.gate_reduction is not None:
            self.gate_reduction.build(input_shape)
            input_shape = (*input_shape[:-1], self.gate_rank)
        self.gates.build(input_shape)
        if self.gating is not None:
            self.gating.build((*input_shape[:-1], self.num_classes))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        gates = self.gates(inputs if self.gate_reduction is None else self.gate_reduction(inputs))
        gates = ops.softmax(self._by_class(gates, self.mixtures + 1), axis=-1)
        experts = ops.sigmoid(self._by_class(self.experts(inputs), self.mixtures))
        probabilities = ops.sum(gates[..., : self.mixtures] * experts, axis=-1)
        return probabilities if self.gating is None else self.gating(probabilities, training=training)

    def adapt(self, labels: np.ndarray) -> None:
        """Set the experts' biases to the logits of the label rates in multi-hot labels `[N, V]`."""
        self.experts.bias.assign(np.repeat(label_logits(labels), self.mixtures))

    def _by_class(self, x: Tensor, parts: int) -> Tensor:
        return ops.cast(ops.reshape(x, (-1, self.num_classes, parts)), "float32")

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        dense = (self.gates, self.gate_reduction, self.experts)
        total = sum(product_flops(layer.kernel) for layer in dense if layer is not None)
        return total if self.gating is None else total + self.gating.flops()

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        own = {
            "num_classes": self.num_classes,
            "mixtures": self.mixtures,
            "gate_rank": self.gate_rank,
            "probability_gating": self.gating is not None,
            "l2": self.l2,
        }
        return {**super().get_config(), **own}


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


ITERATIONS, OVERSAMPLING = 8, 10


def label_logits(labels: np.ndarray) -> np.ndarray:
    """Logit of each label's smoothed rate `(count + 1/2) / (N + 1)`.

    Args:
        labels: multi-hot `[N, V]`.

    Returns:
        float32 `[V]`.
    """
    rate = (labels.sum(axis=0, dtype=np.float64) + 0.5) / (len(labels) + 1.0)
    return np.log(rate / (1.0 - rate)).astype(np.float32)


def cooccurrence(labels: np.ndarray) -> np.ndarray:
    """`D^-1/2 Y^T Y D^-1/2`, float32 `[V, V]`, of multi-hot labels Y `[N, V]`; D the label counts (absent: zero)."""
    rows, columns = np.nonzero(labels)
    starts = np.searchsorted(rows, np.arange(len(labels) + 1))
    size = labels.shape[1]
    counts = np.zeros(size * size, np.float32)
    lengths = np.diff(starts)
    for length in np.unique(lengths[lengths > 0]):
        block = columns[starts[:-1][lengths == length][:, None] + np.arange(length)]
        pairs = block[:, :, None] * size + block[:, None, :]
        counts += np.bincount(pairs.ravel(), minlength=size * size)
    matrix = counts.reshape(size, size)
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(matrix), 1.0))
    return matrix * scale[:, None] * scale[None, :]


def label_embedding(labels: np.ndarray, dimensions: int) -> np.ndarray:
    """A vector for each label whose inner products come closest to the normalised co-occurrence.

    `E = Q sqrt(lambda)` of the largest eigenvalues, found by subspace iteration from a fixed start (Halko et al. 2011,
    algorithm 4.4, https://arxiv.org/abs/0909.4061), so equal labels give equal vectors.

    Args:
        labels: multi-hot `[N, V]`.
        dimensions: r, at most V.

    Returns:
        float32 `[V, r]`.
    """
    matrix = cooccurrence(labels)
    width = min(dimensions + OVERSAMPLING, len(matrix))
    basis = np.random.RandomState(0).standard_normal((len(matrix), width)).astype(np.float32)
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(matrix @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    order = np.argsort(-values, kind="stable")[:dimensions]
    embedding = (basis @ vectors[:, order]) * np.sqrt(np.maximum(values[order], 0.0))
    largest = embedding[np.abs(embedding).argmax(axis=0), np.arange(embedding.shape[1])]
    return (embedding * np.where(largest < 0, -1.0, 1.0)).astype(np.float32)
