"""Losses: the reference's values and gradients, each equation by hand, and behaviour at the ends."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from yt8m.errors import InputError
from yt8m.models import losses

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "losses.json").read_text())
P = np.array([[0.9, 0.2, 0.01], [0.5, 0.04, 0.99]])
Y = np.array([[1, 0, 1], [0, 0, 1]])
RATES = (0.5, 0.1, 0.01)


def gradient(loss: losses.Loss, y: np.ndarray, p: np.ndarray) -> tuple[float, np.ndarray]:
    variable = tf.Variable(p, dtype=tf.float32)
    with tf.GradientTape() as tape:
        value = loss(y, variable)
    return float(value), tape.gradient(value, variable).numpy()


def by_hand(costs: np.ndarray) -> float:
    return float(costs.sum(axis=1).mean())


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("starter_xent", losses.create("cross_entropy")),
        ("snuvl_huber_xent_delta0.5", losses.create("huber")),
        ("nextvlad_xent_eps1e-8", losses.create("cross_entropy", epsilon=1e-8)),
    ],
)
def test_values_and_gradients_are_the_references(name: str, loss: losses.Loss) -> None:
    value, slope = gradient(loss, np.array(GOLDEN["labels"]), np.array(GOLDEN["predictions"]))
    expected = GOLDEN["results"][name]
    assert value == pytest.approx(expected["loss"], rel=1e-6)
    np.testing.assert_allclose(slope, expected["grad"], rtol=1e-5, atol=1e-6)


def cross_entropy(y: np.ndarray, p: np.ndarray, e: float = 1e-5) -> np.ndarray:
    return -y * np.log(p + e) - (1 - y) * np.log(1 - p + e)


def softmax(z: np.ndarray) -> np.ndarray:
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def test_huber_on_the_residual() -> None:
    a = P - Y
    expected = by_hand(0.3**2 * (np.sqrt(1 + (a / 0.3) ** 2) - 1))
    assert float(losses.create("huber", of="residual", delta=0.3)(Y, P)) == pytest.approx(expected, rel=1e-5)


def test_hubers_gradient_on_missed_positives_is_as_described() -> None:
    missed, label = np.array([[0.001]]), np.array([[1]])
    _, residual = gradient(losses.create("huber", of="residual"), label, missed)
    _, cross = gradient(losses.create("huber"), label, missed)
    through_sigmoid = missed * (1 - missed)
    assert (residual * through_sigmoid).item() == pytest.approx(-0.0005, rel=0.15)
    assert (cross * through_sigmoid).item() == pytest.approx(-0.498, rel=0.01)


def test_huber_of_cross_entropy_predicts_too_much_for_rare_labels() -> None:
    p = np.linspace(0.001, 0.3, 300)
    loss = losses.create("huber")
    cost = [0.01 * float(loss([[1.0]], [[x]])) + 0.99 * float(loss([[0.0]], [[x]])) for x in p]
    assert p[int(np.argmin(cost))] == pytest.approx(0.067, abs=0.002)


def test_hinge() -> None:
    expected = by_hand(np.maximum(0, 1.0 - (2 * Y - 1) * P))
    assert float(losses.create("hinge")(Y, P)) == pytest.approx(expected, rel=1e-6)


def test_focal() -> None:
    positive = -0.25 * Y * (1 - P) ** 2 * np.log(P + 1e-5)
    negative = -0.75 * (1 - Y) * P**2 * np.log(1 - P + 1e-5)
    value = losses.create("focal", gamma=2.0, alpha=0.25)(Y, P)
    assert float(value) == pytest.approx(by_hand(positive + negative), rel=1e-5)


def test_focal_without_focus_is_cross_entropy() -> None:
    expected = float(losses.create("cross_entropy")(Y, P))
    assert float(losses.create("focal", gamma=0.0)(Y, P)) == pytest.approx(expected, rel=1e-6)


def test_asymmetric() -> None:
    q = np.maximum(P - 0.05, 0)
    costs = -Y * (1 - P) * np.log(P + 1e-5) - (1 - Y) * q**4 * np.log(1 - q + 1e-5)
    value = losses.create("asymmetric", gamma_positive=1.0)(Y, P)
    assert float(value) == pytest.approx(by_hand(costs), rel=1e-5)


def test_asymmetric_leaves_easy_negatives_out() -> None:
    _, slope = gradient(losses.create("asymmetric"), np.zeros((1, 2)), np.array([[0.04, 0.4]]))
    assert slope[0, 0] == 0
    assert slope[0, 1] > 0


def test_logit_adjustment() -> None:
    adjusted = sigmoid(logit(P) + 0.5 * logit(np.array(RATES)))
    value = losses.create("logit_adjustment", label_rates=RATES, tau=0.5)(Y, P)
    assert float(value) == pytest.approx(by_hand(cross_entropy(Y, adjusted, 0)), rel=1e-5)


def test_distillation_over_classes() -> None:
    teacher = np.array([[0.8, 0.1, 0.3], [0.2, 0.5, 0.6]])
    t, s = softmax(logit(teacher) / 3), softmax(logit(P) / 3)
    expected = 9 * by_hand(t * np.log(t / s))
    assert float(losses.create("distillation")(teacher, P)) == pytest.approx(expected, rel=1e-4)


def test_distillation_over_labels() -> None:
    teacher = np.array([[0.8, 0.1, 0.3], [0.2, 0.5, 0.6]])
    t, s = sigmoid(logit(teacher) / 2), sigmoid(logit(P) / 2)
    expected = 4 * by_hand(t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s)))
    value = losses.create("distillation", over="labels", temperature=2.0)(teacher, P)
    assert float(value) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("over", ["classes", "labels"])
def test_a_student_that_equals_its_teacher_costs_nothing(over: str) -> None:
    value, slope = gradient(losses.create("distillation", over=over), P, P)
    assert value == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(slope, 0, atol=1e-4)


UNIT = st.floats(0, 1, width=32)


@pytest.mark.parametrize("name", losses.names())
@settings(max_examples=25)
@given(p=arrays(np.float32, (6, 3), elements=UNIT), y=arrays(np.float32, (6, 3), elements=st.sampled_from([0.0, 1.0])))
def test_every_loss_is_finite_with_a_finite_gradient(name: str, p: np.ndarray, y: np.ndarray) -> None:
    value, slope = gradient(losses.create(name, label_rates=RATES), y, p)
    assert np.isfinite(value)
    assert value >= -2e-4
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", [name for name in losses.names() if name != "distillation"])
def test_a_right_prediction_costs_less_than_a_wrong_one(name: str) -> None:
    loss = losses.create(name, label_rates=RATES)
    right = np.where(Y, 0.9, 0.1)
    assert float(loss(Y, right)) < float(loss(Y, 1 - right))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_predictions_are_summed_in_float32(dtype: str) -> None:
    p = tf.cast(tf.fill((2, 4000), 0.5), dtype)
    value = losses.create("cross_entropy")(np.zeros((2, 4000), np.uint8), p)
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(4000 * np.log(2), rel=1e-4)


@pytest.mark.parametrize("jit", [True, False])
def test_a_compiled_loss_has_the_same_value_at_the_ends_too(jit: bool) -> None:
    p = tf.constant([*P.tolist(), [0.0, 1.0, 0.5], [1.0, 0.0, 0.5]], tf.float32)
    y = tf.constant([*Y.tolist(), [0, 0, 1], [1, 1, 0]], tf.uint8)
    every = [losses.create(name, label_rates=RATES) for name in losses.names()]
    for loss in [*every, losses.create("cross_entropy", epsilon=1e-8)]:
        compiled = tf.function(loss, jit_compile=jit)
        assert float(compiled(y, p)) == pytest.approx(float(loss(y, p)), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("nope", {}, "there is no loss 'nope'; there are cross_entropy, huber, "),
        ("huber", {"of": "x"}, "huber: of must be cross_entropy or residual, got 'x'"),
        ("huber", {"delta": 0}, "huber: delta must be above 0, got 0.0"),
        ("focal", {"gama": 2.0}, "focal: there is no setting 'gama'; it has gamma, alpha, epsilon"),
        ("focal", {"gamma": "2"}, "focal: gamma must be a number, got '2'"),
        ("logit_adjustment", {}, "logit_adjustment: the setting 'label_rates' is missing"),
        ("logit_adjustment", {"label_rates": (0.0, 0.5)}, "label_rates must lie between 0 and 1; smooth them"),
        ("distillation", {"over": "x"}, "over must be classes or labels"),
        ("asymmetric", {"margin": 1.0}, "margin must be at least 0 and below 1"),
    ],
)
def test_wrong_settings_are_refused(name: str, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        losses.create(name, **settings)
    assert "\n" not in str(error.value)
