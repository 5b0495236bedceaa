"""Rounding weights to float16: what is rounded, what is not, and what it costs."""

from typing import Any

import keras
import numpy as np
import pytest

from yt8m import models
from yt8m.errors import InputError
from yt8m.models.float16 import can_narrow, round_to_float16
from yt8m.models.size import measure

NETFV: dict[str, Any] = {"clusters": 4, "hidden": 8, "coupling": None, "probability_gating": True}


def made(name: str = "netfv", **settings: Any) -> keras.Model:
    return models.create(name, 12, **(settings or NETFV))


def test_statistics_biases_and_covariances_stay_in_float32() -> None:
    model = made()
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).normal(1, 0.1, weight.shape))
    before = {weight.path: np.array(weight) for weight in model.weights}
    result = round_to_float16(model)
    rounded = {weight.path for weight in model.weights if not np.array_equal(before[weight.path], np.array(weight))}
    assert {path.split("/")[-1] for path in rounded} == {"kernel", "centres"}
    assert rounded == {weight.path for weight in model.weights if can_narrow(weight)}
    for weight in model.weights:
        if weight.path in rounded:
            np.testing.assert_array_equal(weight, before[weight.path].astype(np.float16))
    assert result.rounded == measure("netfv", 12, **NETFV).narrow == sum(before[path].size for path in rounded)
    assert result.rounded + result.kept == model.count_params()


def test_what_becomes_zero_is_counted() -> None:
    model = made("logistic", l2=0.0)
    values = np.full((1152, 12), 0.5, np.float32)
    values[3, :4] = [1e-9, -2e-8, 0.0, 1e-7]  # float16 ends at 6e-8, and rounds up from half of that
    model.weights[0].assign(values)
    result = round_to_float16(model)
    assert result.flushed == 2
    assert result.largest_flushed == pytest.approx(2e-8)


@pytest.mark.parametrize("value", [65505.0, -1e9, np.inf, np.nan])
def test_a_weight_beyond_float16_is_named(value: float) -> None:
    model = made("logistic", l2=0.0)
    values = np.zeros((1152, 12), np.float32)
    values[7, 7] = value
    model.weights[0].assign(values)
    with pytest.raises(InputError, match=r"the weight logistic/head/dense/kernel reaches .*--export-dtype float32"):
        round_to_float16(model)


@pytest.mark.parametrize("name", models.names())
def test_predictions_hardly_change(name: str, small: dict[str, dict[str, Any]], videos: dict[str, Any]) -> None:
    model = made(name, **small[name]) if small[name] else models.create(name, 12)
    before = np.array(model(videos, training=False))
    round_to_float16(model)
    after = np.array(model(videos, training=False))
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-3)
