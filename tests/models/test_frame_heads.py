"""Heads of frames are cut off within the model's computation, and change nothing of it."""

import numpy as np
import pytest

from yt8m import models
from yt8m.data.records.features import HEADERS
from yt8m.data.records.features import WIDTHS as OF_RECORDS
from yt8m.models.frame_heads import WIDTHS, TakesBatches, without_heads


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    frames = {name: random.integers(0, 256, (3, 5, width), np.uint8) for name, width in WIDTHS.items()}
    return {**frames, "num_frames": np.array([5, 2, 1], np.int32)}


def with_heads(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    heads = {name: np.broadcast_to(HEADERS[name], (3, 5, 9)) for name in WIDTHS}
    return {**inputs, **{name: np.concatenate([head, inputs[name]], axis=-1) for name, head in heads.items()}}


def test_the_widths_are_those_of_the_records() -> None:
    assert WIDTHS == OF_RECORDS


def test_what_is_cut_off_is_the_head_and_what_has_none_stays(inputs: dict[str, np.ndarray]) -> None:
    for given in (inputs, with_heads(inputs)):
        cut = without_heads(given)
        assert list(cut) == list(inputs)
        for name, values in inputs.items():
            np.testing.assert_array_equal(cut[name], values)


def test_a_model_predicts_the_same_to_the_bit(inputs: dict[str, np.ndarray]) -> None:
    model = models.create("netvlad", 7, clusters=3, hidden=4, seed=1)
    expected = model.predict_on_batch(inputs)
    np.testing.assert_array_equal(TakesBatches(model).predict_on_batch(with_heads(inputs)), expected)
