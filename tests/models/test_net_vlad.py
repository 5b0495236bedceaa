"""NetVLAD: against loops over clusters and frames."""

import numpy as np
import pytest

from yt8m.models.net_vlad import NetVLAD

B, T, D, K = 3, 5, 6, 4
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(B, T, D).astype(np.float32)
VALID = (np.arange(T) < np.array([5, 2, 1])[:, None]).astype(np.float32)


def built(centres: bool) -> NetVLAD:
    layer = NetVLAD(K, centres=centres)
    layer.build((None, None, D))
    layer.assignment.norm.moving_mean.assign(RANDOM.randn(K))
    layer.assignment.norm.moving_variance.assign(RANDOM.rand(K) + 0.5)
    return layer


def soft(layer: NetVLAD, frame: np.ndarray) -> np.ndarray:
    norm = layer.assignment.norm
    z = (frame @ np.array(layer.assignment.kernel) - norm.moving_mean) / np.sqrt(np.array(norm.moving_variance) + 1e-3)
    return np.exp(z) / np.exp(z).sum()


def by_hand(layer: NetVLAD, video: np.ndarray) -> np.ndarray:
    vector = np.zeros((D, K))
    for frame in video:
        a = soft(layer, frame)
        for k in range(K):
            centre = np.array(layer.centres)[:, k] if layer.has_centres else 0
            vector[:, k] += a[k] * (frame - centre)
    vector /= np.linalg.norm(vector, axis=0)
    flat = vector.reshape(-1)
    return flat / np.linalg.norm(flat)


@pytest.mark.parametrize("centres", [True, False])
def test_equals_loops(centres: bool) -> None:
    layer = built(centres)
    y = layer(X, valid=VALID, training=False).numpy()
    for video in range(B):
        real = X[video][VALID[video] == 1]
        np.testing.assert_allclose(y[video], by_hand(layer, real), atol=1e-5)


def test_padding_does_not_matter_and_no_frames_give_zero() -> None:
    layer = built(True)
    dirty = X.copy()
    dirty[VALID == 0] = 7
    np.testing.assert_allclose(layer(dirty, valid=VALID), layer(X, valid=VALID), atol=1e-6)
    assert not layer(X, valid=VALID * 0).numpy().any()


def test_shape_parameters_and_cost() -> None:
    layer = built(True)
    assert layer.compute_output_shape((7, 30, D)) == (7, D * K)
    assert layer.count_params() == 2 * D * K + 4 * K
    assert layer.flops(10) == 2 * 2 * 10 * D * K
