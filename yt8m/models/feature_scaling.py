"""Weighing the dimensions of a stream by how much they vary."""

from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.numerics import Float32Layer, Shape, Tensor, l2_normalize


@keras.saving.register_keras_serializable("yt8m")
class FeatureScaling(Float32Layer):
    """`scale * unit_norm(w x)`, with `w = deviation^power` over the training videos, one weight a dimension.

    The features are whitened, which makes noise as loud as signal; this undoes a part of it. The weights are one until
    `adapt` sets them; they are saved, and not learned.

    Args:
        scale: norm of the result.
        power: of the deviations.

    Call arguments:
        inputs: `[B, D]`.

    Returns float32 `[B, D]`.
    """

    def __init__(self, scale: float, power: float = 2.5, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.scale, self.power = scale, power

    def build(self, input_shape: Shape) -> None:
        self.factors = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", trainable=False, name="factors", dtype="float32"
        )

    def call(self, inputs: Tensor) -> Tensor:
        return self.scale * l2_normalize(ops.cast(inputs, "float32") * self.factors)

    def adapt(self, features: np.ndarray) -> None:
        """Set the weights from the training videos' features `[N, D]`."""
        self.factors.assign(np.asarray(features, np.float64).std(axis=0) ** self.power)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "power": self.power}
