"""Soft bag of frames: against NumPy."""

import numpy as np

from yt8m.models.soft_dbof import SoftDBoF

RANDOM = np.random.RandomState(0)
X = RANDOM.randn(2, 4, 6).astype(np.float32)
VALID = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.float32)


def test_sum_and_maximum_over_real_frames() -> None:
    layer = SoftDBoF(3, max_pooling=True)
    layer.build((None, None, 6))
    y = layer(X, valid=VALID, training=False).numpy()
    assert y.shape == layer.compute_output_shape((2, 4, 6)) == (2, 6)
    z = np.exp(X @ np.array(layer.assignment.kernel) / np.sqrt(1 + 1e-3))
    a = z / z.sum(-1, keepdims=True)
    for video, real in enumerate((4, 2)):
        total, most = a[video, :real].sum(0), a[video, :real].max(0)
        expected = np.concatenate([total / np.linalg.norm(total), most / np.linalg.norm(most)])
        np.testing.assert_allclose(y[video], expected, atol=1e-5)


def test_without_the_maximum() -> None:
    layer = SoftDBoF(3)
    layer.build((None, None, 6))
    assert layer(X).shape == (2, 3)
    assert layer.flops(10) == 2 * 10 * 6 * 3
