"""Feature scaling: formula, and weights that come from data."""

import numpy as np

from yt8m.models.feature_scaling import FeatureScaling

X = np.random.RandomState(0).randn(100, 4).astype(np.float32) * [1, 2, 3, 0.5]


def test_unit_norm_times_scale_before_adapting() -> None:
    y = FeatureScaling(32.0)(X)
    np.testing.assert_allclose(y, 32 * X / np.linalg.norm(X, axis=1, keepdims=True), rtol=1e-4)


def test_dimensions_weigh_by_their_deviation() -> None:
    layer = FeatureScaling(16.0, power=2.5)
    layer.build((None, 4))
    layer.adapt(X)
    weighted = X * X.std(axis=0) ** 2.5
    np.testing.assert_allclose(layer(X), 16 * weighted / np.linalg.norm(weighted, axis=1, keepdims=True), rtol=1e-4)
    assert not layer.trainable_variables
