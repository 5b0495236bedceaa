from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from yt8m import models
from yt8m.models.float16 import round_to_float16
from yt8m.training.export import write_weights

SETTINGS: dict[str, dict[str, Any]] = {
    "netfv": {"clusters": 4, "hidden": 8},
    "nextvlad-mixture": {"clusters": 8, "hidden": 8, "groups": 2, "branches": 2},
}


def made(name: str) -> keras.Model:
    return models.create(name, 12, **SETTINGS[name])


def stored(file: Path) -> dict[str, Any]:
    found = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(file) as content:
        content.visititems(visit)
    return found


@pytest.mark.parametrize("name", SETTINGS)
def test_narrow_weights_come_back_exactly_from_half_the_bytes(name: str, tmp_path: Path) -> None:
    model, again = made(name), made(name)
    round_to_float16(model)
    for dtype in ("float32", "float16"):
        write_weights(tmp_path / f"{dtype}.weights.h5", model, dtype)
        for weight in again.weights:
            weight.assign(np.zeros(weight.shape))
        again.load_weights(tmp_path / f"{dtype}.weights.h5")
        for ours, loaded in zip(model.weights, again.weights, strict=True):
            assert loaded.dtype == "float32"
            np.testing.assert_array_equal(ours, loaded)
    wide, narrow = (stored(tmp_path / f"{dtype}.weights.h5") for dtype in ("float32", "float16"))
    assert list(wide) == list(narrow)
    assert {values.dtype.name for values in narrow.values() if values.ndim < 2} == {"float32"}
    sizes = [sum(values.nbytes for values in part.values()) for part in (narrow, wide)]
    assert 0.5 < sizes[0] / sizes[1] < 0.56
    assert {file.name for file in tmp_path.iterdir()} == {"float32.weights.h5", "float16.weights.h5"}


def test_what_float16_does_not_hold_stays_in_float32(tmp_path: Path) -> None:
    model = made("netfv")
    round_to_float16(model)
    model.get_layer("rgb").assignment.kernel.assign(np.full((1024, 4), 1e6))
    write_weights(tmp_path / "m.weights.h5", model, "float16")
    narrow = stored(tmp_path / "m.weights.h5")
    float32 = {values.shape for values in narrow.values() if values.ndim > 1 and values.dtype == np.float32}
    assert float32 == {(1024, 4), (128, 2)}  # the kernel, and both covariances
    again = made("netfv")
    again.load_weights(tmp_path / "m.weights.h5")
    for ours, loaded in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours, loaded)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        model = made("netfv")
        round_to_float16(model)
        write_weights(tmp_path / f"{name}.weights.h5", model, "float16")
    assert (tmp_path / "a.weights.h5").read_bytes() == (tmp_path / "b.weights.h5").read_bytes()
