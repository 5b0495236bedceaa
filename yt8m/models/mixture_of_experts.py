"""Mixture of logistic experts for each label."""

from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.context_gating import ContextGating
from yt8m.models.label_statistics import label_logits
from yt8m.models.numerics import Float32Layer, Shape, Tensor, penalty, product_flops


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
