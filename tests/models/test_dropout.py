import keras
import numpy as np
import pytest
from keras import ops

from yt8m.models.dropout import Dropout, random_bits


def bits(shape: tuple[int, ...], seed: tuple[int, int]) -> np.ndarray:
    return ops.convert_to_numpy(random_bits(ops.zeros(shape), ops.convert_to_tensor(seed, "int64")))


def test_the_share_and_the_expectation() -> None:
    x = np.full((64, 5000), 3.0, np.float32)
    dropped = ops.convert_to_numpy(Dropout(0.3)(x, training=True))
    share = (dropped == 0).mean()
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / x.size))
    assert np.unique(dropped).tolist() == [0.0, pytest.approx(3.0 / 0.7)]
    assert dropped.mean() == pytest.approx(3.0, rel=0.01)


def test_each_call_draws_anew_and_a_seed_repeats_all() -> None:
    x = np.ones((4, 100), np.float32)

    def draw(seed: int) -> list[np.ndarray]:
        layer = Dropout(0.5, seed=seed)
        return [ops.convert_to_numpy(layer(x, training=True)) for _ in range(2)]

    first, second = draw(1)
    assert (first != second).mean() == pytest.approx(0.5, abs=0.12)
    np.testing.assert_array_equal(draw(1), [first, second])
    assert (draw(2)[0] != first).any()


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.5, None), (0.0, True)])
def test_nothing_is_dropped(rate: float, training: bool | None) -> None:
    x = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
    np.testing.assert_array_equal(ops.convert_to_numpy(Dropout(rate)(x, training=training)), x)


@pytest.mark.parametrize("seed", [(0, 0), (0, 1), (1, 0), (2**31, 12345), (935, 7)])
def test_bits_are_even_and_without_pattern(seed: tuple[int, int]) -> None:
    """Each bit is set half of the time; neighbours and consecutive seeds agree in half of the bits."""
    drawn = bits((50, 400), seed)
    deviation = 5 * 0.5 / np.sqrt(drawn.size)
    for bit in range(32):
        assert ((drawn >> bit) & 1).mean() == pytest.approx(0.5, abs=deviation)
    others = {
        "column": (drawn[:, 1:], drawn[:, :-1]),
        "row": (drawn[1:], drawn[:-1]),
        "step": (drawn, bits((50, 400), (seed[0], seed[1] + 1))),
    }
    for a, b in others.values():
        for bit in (31, 16, 0):
            assert (((a ^ b) >> bit) & 1).mean() == pytest.approx(0.5, abs=deviation * 1.1)
    assert len(np.unique(drawn)) > 0.999 * drawn.size


def test_any_rank_and_a_round_trip() -> None:
    layer = Dropout.from_config(Dropout(0.25, name="x").get_config())
    x = np.ones((6, 5, 40), np.float32)
    dropped = ops.convert_to_numpy(layer(x, training=True))
    assert dropped.shape == x.shape
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.06)


class Dropping(keras.Model):
    """Drops in prediction, which Keras compiles."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = Dropout(0.5)

    def call(self, inputs: object) -> object:
        return self.dropout(inputs, training=True)


def test_compiled_it_drops_the_same() -> None:
    x = np.ones((8, 300), np.float32)
    compiled = Dropping()
    first, second = compiled.predict_on_batch(x), compiled.predict_on_batch(x)
    eager = Dropping()
    np.testing.assert_array_equal(first, ops.convert_to_numpy(eager(x)))
    np.testing.assert_array_equal(second, ops.convert_to_numpy(eager(x)))
