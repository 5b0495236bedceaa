"""Dequantising: the formula, float features, padding."""

import numpy as np

from yt8m.models.dequantize import Dequantize


def test_every_byte_by_the_formula() -> None:
    q = np.arange(256, dtype=np.uint8).reshape(1, 2, 128)
    expected = q.astype(np.float64) * 4 / 255 + (4 / 512 - 2)
    np.testing.assert_allclose(Dequantize()(q), expected, atol=1e-6)


def test_floats_pass_and_padding_is_zero() -> None:
    x, valid = np.full((2, 2, 3), 1.5, np.float32), np.array([[1, 1], [1, 0]], np.float32)
    np.testing.assert_array_equal(Dequantize()(x, valid=valid), x * valid[..., None])
    assert not np.array(Dequantize()(np.zeros((2, 2, 3), np.uint8), valid=valid))[1, 1].any()


def test_narrow_models_dequantise_in_float32() -> None:
    q = np.arange(256, dtype=np.uint8).reshape(1, 2, 128)
    np.testing.assert_array_equal(Dequantize(dtype="mixed_bfloat16")(q), Dequantize()(q))
