"""Context gating: against NumPy."""

import numpy as np

from yt8m.models.context_gating import ContextGating


def test_by_hand() -> None:
    x = np.random.RandomState(0).randn(5, 4).astype(np.float32)
    layer = ContextGating()
    layer.build((None, 4))
    z = x @ np.array(layer.kernel)
    z = (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-3)
    np.testing.assert_allclose(layer(x, training=True), x / (1 + np.exp(-z)), atol=1e-5)
    assert layer.count_params() == 4 * 4 + 4 * 4
    assert layer.flops() == 2 * 16
