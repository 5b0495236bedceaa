"""Sizes without weights: the published table, and counts of a real graph."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from yt8m import models
from yt8m.errors import InputError
from yt8m.models.size import MAX_MODEL_BYTES, measure

NETVLAD: dict[str, Any] = {"name": "netvlad", "clusters": 192, "hidden": 1200}
NETFV: dict[str, Any] = {"name": "netfv", "clusters": 120, "hidden": 1024}
PLAIN = {"relu": True, "gating": False}
TABLE = [
    ({**NETVLAD, **PLAIN}, 274_283_276, 1097.1, False),
    ({**NETVLAD, "probability_gating": True}, 290_654_968, 1162.6, False),
    ({**NETVLAD, **PLAIN, "mixtures": 1}, 265_010_614, 1060.0, True),
    ({**NETVLAD, **PLAIN, "head": "logistic"}, 255_741_814, 1023.0, True),
    ({**NETFV, **PLAIN}, 287_438_588, 1149.8, False),
    ({**NETFV, "coupling": None, "probability_gating": True}, 303_549_240, 1214.2, False),
    ({"name": "nextvlad"}, 88_970_274, 355.9, True),
    ({"name": "nextvlad-mixture"}, 236_150_889, 944.6, True),
]


@pytest.mark.parametrize(("settings", "parameters", "megabytes", "fits"), TABLE)
def test_the_published_sizes(settings: dict[str, Any], parameters: int, megabytes: float, fits: bool) -> None:
    size = measure(num_classes=3862, **settings)
    assert size.parameters == parameters
    assert round(size.bytes() / 1e6, 1) == megabytes
    assert 2 * parameters < size.bytes("float16") == 4 * parameters - 2 * size.narrow < 2.01 * parameters
    assert (size.bytes() < MAX_MODEL_BYTES) == fits


@pytest.mark.parametrize("name", models.names())
def test_counts_are_those_of_a_built_model(name: str, small: dict[str, dict[str, Any]]) -> None:
    model = models.create(name, 12, **small[name])
    size = measure(name, 12, frames=9, **small[name])
    assert size.parameters == sum(math.prod(weight.shape) for weight in model.get_weights())
    assert size.flops == matrix_flops(model, frames=9)


def matrix_flops(model: models.Tagger, frames: int) -> int:
    """Of the matrix products in the graph of one video."""
    shapes = {
        "rgb": ((1, frames, 1024), tf.uint8),
        "audio": ((1, frames, 128), tf.uint8),
        "num_frames": ((1,), tf.int32),
    }
    inputs = {name: tf.TensorSpec(shape, dtype) for name, (shape, dtype) in shapes.items()}
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(inputs).graph
    products = [op for op in graph.get_operations() if op.type in ("MatMul", "BatchMatMulV2")]
    return sum(_product(op) for op in products)


def _product(op: tf.Operation) -> int:
    transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
    left = op.inputs[0].shape
    inner = left[-2] if transposed else left[-1]
    return 2 * inner * math.prod(op.outputs[0].shape)


def test_measuring_leaves_nothing_behind() -> None:
    measure("netvlad", 3862, **{key: value for key, value in NETVLAD.items() if key != "name"})
    with keras.StatelessScope():
        pass
    model = models.create("logistic", 3)
    assert np.isfinite(model.get_weights()[0]).all()


def test_wrong_settings_are_refused_as_by_create() -> None:
    with pytest.raises(InputError, match="netvlad: there is no setting 'x'"):
        measure("netvlad", 12, x=1)
