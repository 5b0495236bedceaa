"""Batch normalisation that can leave padding out, and can keep the unbiased variance."""

import math
from typing import Any

import keras
from keras import ops

from yt8m.models.numerics import Float32Layer, Shape, Tensor


@keras.saving.register_keras_serializable("yt8m")
class BatchNorm(Float32Layer):
    """Batch normalisation over all axes but the last, in float32 whatever the compute type.

    Differs from `keras.layers.BatchNormalization` in what it keeps for evaluation: with `unbiased` the variance with
    Bessel's correction N / (N - 1), as fused kernels keep it; and in statistics of the real positions alone.

    Args:
        momentum: share of the old moving statistics that a step keeps.
        epsilon: added to the variance.
        unbiased: apply Bessel's correction to the variance that is kept; the batch itself is scaled by the biased one.
        synchronized: take the statistics over all replicas of a distributed step; `replicas` then says how many.

    Call arguments:
        inputs: `[..., D]`.
        valid: ones and zeros of the shape of `inputs` without its last axis; statistics use the ones only.
        training: use and record the batch's statistics.

    Returns float32 of the inputs' shape.

    Reference: Ioffe and Szegedy 2015, algorithms 1 and 2, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self,
        momentum: float = 0.999,
        epsilon: float = 1e-3,
        unbiased: bool = True,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.momentum, self.epsilon = momentum, epsilon
        self.unbiased, self.synchronized, self.replicas = unbiased, synchronized, 1

    def build(self, input_shape: Shape) -> None:
        shape, kept = (input_shape[-1],), {"autocast": False, "dtype": "float32"}
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma", **kept)
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta", **kept)
        self.moving_mean = self.add_weight(
            shape=shape, initializer="zeros", name="moving_mean", trainable=False, **kept
        )
        self.moving_variance = self.add_weight(
            shape=shape, initializer="ones", name="moving_variance", trainable=False, **kept
        )

    def call(self, inputs: Tensor, valid: Tensor | None = None, training: bool | None = None) -> Tensor:
        x = ops.cast(inputs, "float32")
        if training and self.trainable:
            mean, variance, count = self._statistics(x, valid)
            self._record(mean, variance, count * float(self.replicas))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        return x * scale + (self.beta - mean * scale)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def _statistics(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and biased variance over the real positions, and how many those are."""
        axes = tuple(range(len(x.shape) - 1))
        if valid is None:
            mean, variance = ops.moments(x, axes, synchronized=self.synchronized)
            return mean, variance, _positions(x)
        weight = ops.cast(valid, "float32")[..., None]
        share = ops.maximum(self._mean(weight, axes), 1e-12)
        mean = self._mean(x * weight, axes) / share
        variance = self._mean(ops.square(x - mean) * weight, axes) / share
        return mean, variance, share * _positions(x)

    def _mean(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        if self.synchronized:
            return ops.moments(x, axes, synchronized=True)[0]
        return ops.mean(x, axis=axes)

    def _record(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if self.unbiased:
            variance = variance * (count / ops.maximum(count - 1.0, 1.0))
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))

    def get_config(self) -> dict[str, Any]:
        own = {"momentum": self.momentum, "epsilon": self.epsilon, "unbiased": self.unbiased}
        return {**super().get_config(), **own, "synchronized": self.synchronized}


def _positions(x: Tensor) -> Tensor:
    """How many vectors `[..., D]` holds, float32."""
    static = x.shape[:-1]
    if None not in static:
        return ops.convert_to_tensor(float(math.prod(static)), "float32")
    return ops.cast(ops.prod(ops.convert_to_tensor(ops.shape(x)[:-1])), "float32")
