"""Logistic head: formula, penalty, biases from label rates."""

import numpy as np
import pytest

from yt8m.models.heads import LogisticHead

X = np.random.RandomState(0).randn(3, 5).astype(np.float32)


def test_probabilities_and_logits() -> None:
    layer = LogisticHead(4, logits=True)
    layer.build((None, 5))
    z = X @ np.array(layer.dense.kernel) + np.array(layer.dense.bias)
    np.testing.assert_allclose(layer(X), z, atol=1e-5)
    layer.logits = False
    np.testing.assert_allclose(layer(X), 1 / (1 + np.exp(-z)), atol=1e-5)


@pytest.mark.parametrize("l2_biases", [True, False])
def test_the_penalty_takes_in_biases_when_told(l2_biases: bool) -> None:
    layer = LogisticHead(4, l2=1e-2, l2_biases=l2_biases)
    layer.build((None, 5))
    layer.dense.bias.assign(np.full(4, 3.0))
    expected = 0.5e-2 * (np.square(layer.dense.kernel).sum() + 36 * l2_biases)
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


def test_adapting_sets_the_biases_to_the_label_rates() -> None:
    layer = LogisticHead(2)
    layer.build((None, 5))
    layer.adapt(np.array([[1, 0]] * 30 + [[0, 0]] * 70))
    np.testing.assert_allclose(layer(np.zeros((1, 5), np.float32)), [[30.5 / 101, 0.5 / 101]], rtol=1e-4)
