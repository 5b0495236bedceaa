"""Squeeze-excite gating: against NumPy."""

import numpy as np

from yt8m.models.squeeze_excite import SqueezeExcite


def test_by_hand() -> None:
    x = np.random.RandomState(0).randn(5, 8).astype(np.float32)
    layer = SqueezeExcite(4)
    layer.build((None, 8))
    z = x @ np.array(layer.squeeze)
    z = np.maximum((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-3), 0) @ np.array(layer.excite)
    np.testing.assert_allclose(layer(x, training=True), x / (1 + np.exp(-z)), atol=1e-5)
    assert layer.count_params() == 8 * 2 + 2 * 8 + 4 * 2
    assert layer.flops() == 2 * 2 * 16
