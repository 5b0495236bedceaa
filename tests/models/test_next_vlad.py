"""NeXtVLAD: against loops over groups, clusters and frames."""

import numpy as np
import pytest

from yt8m.models.next_vlad import NeXtVLAD

B, T, D, K, G = 2, 4, 6, 3, 4
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(B, T, D).astype(np.float32)
VALID = (np.arange(T) < np.array([4, 2])[:, None]).astype(np.float32)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def by_hand(layer: NeXtVLAD, video: np.ndarray) -> np.ndarray:
    size = 2 * D // G
    vector, centres = np.zeros((size, K)), np.array(layer.centres)
    for frame in video:
        wide = frame @ np.array(layer.expand.kernel) + np.array(layer.expand.bias)
        attention = sigmoid(wide @ np.array(layer.attention.kernel) + np.array(layer.attention.bias))
        logits = (wide @ np.array(layer.kernel) / np.sqrt(1 + 1e-3)).reshape(G, K)
        for g in range(G):
            a = np.exp(logits[g]) / np.exp(logits[g]).sum() * attention[g]
            for k in range(K):
                vector[:, k] += a[k] * (wide[g * size : (g + 1) * size] - centres[:, k])
    return (vector / np.linalg.norm(vector, axis=0)).ravel() / np.sqrt(1 + 1e-3)


def test_equals_loops() -> None:
    layer = NeXtVLAD(K, groups=G)
    layer.build((None, None, D))
    layer.expand.bias.assign(RANDOM.randn(2 * D))
    y = layer(X, valid=VALID, training=False).numpy()
    for video in range(B):
        np.testing.assert_allclose(y[video], by_hand(layer, X[video][VALID[video] == 1]), atol=1e-5)


def test_shape_parameters_and_cost() -> None:
    layer = NeXtVLAD(K, groups=G)
    layer.build((None, None, D))
    wide, size = 2 * D, 2 * D // G
    assert layer.compute_output_shape((7, 30, D)) == (7, size * K)
    weights = D * wide + wide + wide * G + G + wide * G * K + size * K
    assert layer.count_params() == weights + 4 * G * K + 4 * size * K
    assert layer.flops(10) == 2 * 10 * (D * wide + wide * G + wide * G * K + wide * K)


def test_groups_must_divide() -> None:
    with pytest.raises(ValueError, match=r"groups must divide 12 \(expansion \* dimensions\), got 5"):
        NeXtVLAD(K, groups=5).build((None, None, D))
