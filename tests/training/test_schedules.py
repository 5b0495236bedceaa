"""Schedules: the table of the paper's two, exact stairs, warm-up, cosine."""

import math
import os
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from yt8m.errors import InputError
from yt8m.training import schedules

EPOCH, BATCH = 4_000_000, 160
STEPS = EPOCH // BATCH


def make(name: str, **settings: object) -> keras.optimizers.schedules.LearningRateSchedule:
    return schedules.create(name, batch_size=BATCH, epoch_examples=EPOCH, total_examples=2.5 * EPOCH, **settings)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("baseline", (1.0e-3, 1.0e-3, 9.5e-4, 9.03e-4, 9.03e-4)),
        ("paper", (3.28e-3, 1.342e-3, 1.0737e-3, 1.15e-4, 3.78e-5)),
    ],
)
def test_the_papers_schedules_by_name(name: str, rates: tuple[float, ...]) -> None:
    schedule = make(name)
    steps = (STEPS // 2, STEPS - 1, STEPS, 2 * STEPS, 5 * STEPS // 2)
    assert [float(schedule(step)) for step in steps] == pytest.approx(list(rates), rel=5e-3)


def test_the_papers_schedules_are_staircases_with_these_settings() -> None:
    for name, settings in (
        ("baseline", {"base": 0.001, "decay": 0.95, "decay_examples": "1.0 epoch"}),
        ("baseline", {"base": 0.001, "decay": 0.95, "decay_examples": 4_000_000}),
        ("paper", {"base": 0.01, "decay": 0.8, "decay_examples": "0.1 epoch"}),
        ("paper", {"base": 0.01, "decay": 0.8, "decay_examples": 400_000}),
        ("paper", {"decay_examples": "0.04 total"}),
    ):
        assert make(name).get_config() == make("staircase", **settings).get_config()


@given(
    epoch=st.integers(50, 5_000_000), batch=st.integers(1, 512), tenths=st.integers(1, 20), step=st.integers(0, 400_000)
)
def test_stairs_are_exact(epoch: int, batch: int, tenths: int, step: int) -> None:
    schedule = schedules.create(
        "staircase", batch_size=batch, epoch_examples=epoch, total_examples=epoch, base=1.0, decay=0.999,
        decay_examples=f"{tenths / 10} epoch",
    )  # fmt: skip
    stair = math.floor(Fraction(step * batch) / (Fraction(tenths, 10) * epoch))
    assert float(schedule(step)) == pytest.approx(0.999**stair, rel=2e-5, abs=1e-30)


def test_warm_up_rises_from_the_first_step() -> None:
    schedule = make("paper", warmup="0.01 epoch")
    assert float(schedule(0)) == pytest.approx(0.01 / 250)
    assert float(schedule(124)) == pytest.approx(0.005)
    assert float(schedule(249)) == float(schedule(250)) == pytest.approx(0.01)


def test_cosine() -> None:
    schedule = make("cosine", base=0.1, final=0.2, warmup="0.1 total")
    steps = STEPS * 2.5
    assert float(schedule(0)) == pytest.approx(0.1 / (0.1 * steps))
    assert float(schedule(int(0.1 * steps))) == pytest.approx(0.1)
    assert float(schedule(int(0.55 * steps))) == pytest.approx(0.1 * 0.6)
    assert float(schedule(int(steps))) == float(schedule(int(2 * steps))) == pytest.approx(0.02)


@pytest.mark.parametrize("name", schedules.names())
def test_a_schedule_drives_an_optimizer_and_comes_back_from_its_config(name: str) -> None:
    schedule = make(name, warmup=1000)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    optimizer = keras.optimizers.Adam(again)
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    step = tf.function(lambda: optimizer.apply([tf.constant([1.0])], [variable]), jit_compile=True)
    step()
    assert float(optimizer.learning_rate) == pytest.approx(float(schedule(1)))
    assert variable.numpy()[0] == pytest.approx(1 - float(schedule(0)), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("nope", {}, "there is no schedule 'nope'; there are staircase, baseline, paper, cosine"),
        ("paper", {"decay": 1.5}, "paper: decay must be above 0 and at most 1, got 1.5"),
        ("paper", {"decay_examples": "0.1 year"}, "is neither a number nor like '0.1 epoch'"),
        ("paper", {"decay_examples": "often"}, "paper: decay_examples: 'often' is neither"),
        ("paper", {"decay_examples": 0}, "decay_examples must be above 0"),
        ("paper", {"warmup": -1}, "paper: warmup: must be at least 0, got -1"),
        ("cosine", {"decay": 0.5}, "cosine: there is no setting 'decay'; it has base, final, warmup"),
        ("cosine", {"final": 2}, "cosine: final must be from 0 to 1, got 2.0"),
    ],
)
def test_wrong_settings_are_refused(name: str, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make(name, **settings)
    assert "\n" not in str(error.value)


def test_stairs_that_jax_cannot_count_are_refused_there_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no 64-bit numbers, and a stair is found as a quotient of whole ones."""
    odd = {"decay_examples": 400_000.0123}
    make("paper", **odd)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    make("paper")
    with pytest.raises(
        InputError, match=r"^paper: decay_examples 400000\.0123 is .* choose a round number of examples$"
    ):
        make("paper", **odd)
