"""Norms, masks and means."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m.models.numerics import HalfL2, frame_mask, l2_normalize, mean_frame, penalty, wide_policy


def test_a_zero_vector_stays_zero_with_a_zero_gradient() -> None:
    x = tf.Variable([[3.0, 4.0], [0.0, 0.0]])
    with tf.GradientTape() as tape:
        y = l2_normalize(x)
    np.testing.assert_allclose(y, [[0.6, 0.8], [0, 0]], atol=1e-6)
    assert np.isfinite(tape.gradient(y, x).numpy()).all()


def test_norms_of_narrow_vectors_do_not_overflow() -> None:
    x = tf.fill((1, 1024), tf.constant(60.0, tf.float16))
    np.testing.assert_allclose(l2_normalize(x), np.full((1, 1024), 1 / 32), rtol=1e-5)


def test_the_mask_is_one_on_real_frames() -> None:
    np.testing.assert_array_equal(frame_mask(np.array([0, 2, 5]), 3), [[0, 0, 0], [1, 1, 0], [1, 1, 1]])


def test_the_mean_takes_real_frames_only() -> None:
    frames = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    mean = mean_frame(frames, frame_mask(np.array([2, 0]), 3))
    np.testing.assert_allclose(mean, [[1, 2], [0, 0]])


def test_the_penalty_is_half_the_sum_of_squares() -> None:
    assert float(HalfL2(0.1)(tf.constant([3.0, 4.0]))) == np.float32(0.1 * 0.5 * 25)
    again = HalfL2.from_config(HalfL2(0.1).get_config())
    assert again.factor == 0.1
    assert penalty(0.0) is None


@pytest.mark.parametrize(
    ("dtype", "gpus", "wide"),
    [("mixed_bfloat16", [], "float32"), ("mixed_bfloat16", ["gpu:0"], "mixed_bfloat16"),
     ("float32", ["gpu:0"], "float32"), ("float16", [], "float16")],
)  # fmt: skip
def test_a_wide_layer_computes_in_bfloat16_where_there_is_a_card(
    monkeypatch: pytest.MonkeyPatch, dtype: str, gpus: list[str], wide: str
) -> None:
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", *gpus])
    assert wide_policy(keras.DTypePolicy(dtype)).name == wide
