"""Batch norm: against NumPy, with masks, what it keeps, narrow types."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m.models.batch_norm import BatchNorm

X = np.random.RandomState(0).randn(4, 5, 3).astype(np.float32) * [1, 10, 0.1] + [0, 5, -3]
MASK = (np.arange(5) < np.array([5, 3, 1, 4])[:, None]).astype(np.float32)


def made(**settings: object) -> BatchNorm:
    layer = BatchNorm(**settings)
    layer.build((None, None, 3))
    layer.gamma.assign([1.0, 2.0, 0.5])
    layer.beta.assign([0.0, -1.0, 3.0])
    return layer


def by_hand(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (x - mean) / np.sqrt(variance + 1e-3) * [1, 2, 0.5] + [0, -1, 3]


def test_training_normalises_by_the_batch_and_keeps_the_unbiased_variance() -> None:
    layer = made()
    y = layer(X, training=True)
    flat = X.reshape(-1, 3)
    np.testing.assert_allclose(y, by_hand(X, flat.mean(0), flat.var(0)), atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean, 0.001 * flat.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, 0.999 + 0.001 * flat.var(0, ddof=1), rtol=1e-6)


def test_the_biased_variance_can_be_kept() -> None:
    layer = made(unbiased=False, momentum=0.5)
    layer(X, training=True)
    np.testing.assert_allclose(layer.moving_variance, 0.5 + 0.5 * X.reshape(-1, 3).var(0), rtol=1e-5)


def test_padding_counts_for_nothing() -> None:
    layer, dirty = made(momentum=0.0), X.copy()
    dirty[MASK == 0] = 1e3
    y = layer(dirty, mask_argument(), training=True).numpy()
    real = X[MASK == 1]
    np.testing.assert_allclose(y[MASK == 1], by_hand(real, real.mean(0), real.var(0)), atol=1e-3)
    np.testing.assert_allclose(layer.moving_mean, real.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, real.var(0, ddof=1), rtol=1e-3)


def mask_argument() -> tf.Tensor:
    return tf.constant(MASK)


def test_evaluation_uses_what_was_kept() -> None:
    layer = made()
    layer.moving_mean.assign([1.0, 2.0, 3.0])
    layer.moving_variance.assign([4.0, 5.0, 6.0])
    np.testing.assert_allclose(
        layer(X, training=False), by_hand(X, np.array([1, 2, 3]), np.array([4, 5, 6])), atol=1e-4
    )
    assert layer.moving_mean.numpy().tolist() == [1, 2, 3]


def test_one_video_is_no_division_by_zero() -> None:
    layer = made()
    layer(X[:1, 0], training=True)
    layer(X, mask_argument() * 0, training=True)
    assert np.isfinite(layer.moving_variance.numpy()).all()


@pytest.mark.parametrize("synchronized", [True, False])
def test_without_replicas_synchronising_changes_nothing(synchronized: bool) -> None:
    layer = made(synchronized=synchronized)
    np.testing.assert_allclose(layer(X, mask_argument(), training=True), made()(X, mask_argument(), training=True))
    np.testing.assert_allclose(layer(X, training=True), made()(X, training=True), atol=1e-4)


def test_a_batch_size_known_only_at_run_time() -> None:
    layer, again = made(), made()
    traced = tf.function(lambda x: layer(x, training=True), input_signature=[tf.TensorSpec((None, None, 3))])
    np.testing.assert_allclose(traced(tf.constant(X, tf.float32)), again(X, training=True), atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, again.moving_variance, rtol=1e-6)


def test_statistics_are_float32_in_narrow_models() -> None:
    layer = made(dtype="mixed_float16")
    x = np.full((300, 2, 3), 300.0, np.float16)
    x[0] = 0
    y = layer(x, training=True)
    assert y.dtype == tf.float32
    assert np.isfinite(y).all()
    assert all(variable.dtype == "float32" for variable in layer.variables)


def test_the_configuration_comes_back() -> None:
    layer = BatchNorm(momentum=0.9, epsilon=1e-5, unbiased=False, synchronized=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
