"""NetFV: against loops over clusters and frames."""

import numpy as np
import pytest

from yt8m.models.net_fv import NetFV

B, T, D, K = 3, 5, 6, 4
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(B, T, D).astype(np.float32)
VALID = (np.arange(T) < np.array([5, 2, 1])[:, None]).astype(np.float32)


def by_hand(layer: NetFV, video: np.ndarray) -> np.ndarray:
    kernel, w = np.array(layer.assignment.kernel, np.float64), np.array(layer.covariance, np.float64)
    centres = kernel * layer.coupling if layer.coupling else np.array(layer.free_centres, np.float64)
    first, second, mass = np.zeros((D, K)), np.zeros((D, K)), np.zeros(K)
    for frame in video:
        z = frame @ kernel / np.sqrt(1 + 1e-3)
        a = np.exp(z) / np.exp(z).sum()
        mass += a
        for k in range(K):
            deviation = frame - centres[:, k]
            first[:, k] += a[k] * deviation / (w[:, k] ** 2 + 1e-6)
            second[:, k] += a[k] * deviation**2 / (w[:, k] ** 2 + 1e-6) ** 2
    first /= np.linalg.norm(first, axis=0)
    second = second - mass
    return np.concatenate([first.ravel() / np.linalg.norm(first), second.ravel() / np.linalg.norm(second)])


@pytest.mark.parametrize("coupling", [0.01, 0.5, None])
def test_equals_loops(coupling: float | None) -> None:
    layer = NetFV(K, coupling=coupling)
    layer.build((None, None, D))
    y = layer(X, valid=VALID, training=False).numpy()
    for video in range(B):
        np.testing.assert_allclose(y[video], by_hand(layer, X[video][VALID[video] == 1]), atol=1e-4)


def test_shape_parameters_and_cost() -> None:
    for coupling, matrices in ((0.01, 2), (None, 3)):
        layer = NetFV(K, coupling=coupling)
        layer.build((None, None, D))
        assert layer.compute_output_shape((7, 30, D)) == (7, 2 * D * K)
        assert layer.count_params() == matrices * D * K + 4 * K
        assert layer.flops(10) == 3 * 2 * 10 * D * K
