"""Undoing the whitening of the rgb features, so that strong directions are strong again."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.dequantize import RANGE
from yt8m.models.numerics import Float32Layer, Shape, Tensor

EIGENVALUES = Path(__file__).with_name("pca_eigenvalues.npy")


@keras.saving.register_keras_serializable("yt8m")
class ReverseWhitening(Float32Layer):
    """`(x - 4/512) * (sqrt(eigenvalue) + 1e-4)` for each of the first 1024 dimensions.

    Padding too: its zeros become `-4/512 * deviation`, and count as that in the batch norms behind, as they did in the
    authors' training. The eigenvalues are those of the published PCA (`yt8m_pca_eigenvals`), largest first; they are no
    weights.

    Call arguments:
        inputs: rgb frames `[B, T, 1024]`, float.

    Returns float32 `[B, T, 1024]`.

    Reference: Lin et al. 2018, section 4.1, https://arxiv.org/abs/1811.05014; the PCA: Abu-El-Haija et al. 2016,
    section 3.3, https://arxiv.org/abs/1609.08675
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.deviations = np.sqrt(np.load(EIGENVALUES)) + np.float32(1e-4)

    def call(self, inputs: Tensor) -> Tensor:
        return (ops.cast(inputs, "float32") - RANGE / 512) * self.deviations

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())  # Keras makes a configuration of a dtype policy only where this is overridden
