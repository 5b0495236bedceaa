"""Mixture of experts: against loops over classes, with all its options."""

import numpy as np
import pytest

from yt8m.models.heads import MixtureOfExperts

H, V = 5, 4
X = np.random.RandomState(0).randn(3, H).astype(np.float32)


def by_hand(layer: MixtureOfExperts, x: np.ndarray) -> np.ndarray:
    m = layer.mixtures
    gates = x if layer.gate_reduction is None else x @ np.array(layer.gate_reduction.kernel)
    gates = gates @ np.array(layer.gates.kernel)
    experts = x @ np.array(layer.experts.kernel) + np.array(layer.experts.bias)
    p = np.zeros(V)
    for v in range(V):
        g = np.exp(gates[v * (m + 1) : (v + 1) * (m + 1)])
        e = 1 / (1 + np.exp(-experts[v * m : (v + 1) * m]))
        p[v] = (g[:m] / g.sum() * e).sum()
    return p


@pytest.mark.parametrize("mixtures", [1, 2, 5])
@pytest.mark.parametrize("gate_rank", [None, 2])
def test_equals_loops(mixtures: int, gate_rank: int | None) -> None:
    layer = MixtureOfExperts(V, mixtures=mixtures, gate_rank=gate_rank)
    layer.build((None, H))
    layer.experts.bias.assign(np.random.RandomState(1).randn(V * mixtures))
    y = layer(X).numpy()
    for video in range(3):
        np.testing.assert_allclose(y[video], by_hand(layer, X[video]), atol=1e-5)
    gates = H * V * (mixtures + 1) if gate_rank is None else H * gate_rank + gate_rank * V * (mixtures + 1)
    assert layer.count_params() == gates + H * V * mixtures + V * mixtures
    assert layer.flops() == 2 * (gates + H * V * mixtures)


def test_probability_gating_weighs_the_probabilities() -> None:
    layer = MixtureOfExperts(V, probability_gating=True)
    layer.build((None, H))
    plain = np.stack([by_hand(layer, x) for x in X])
    z = plain @ np.array(layer.gating.kernel) / np.sqrt(1 + 1e-3)
    np.testing.assert_allclose(layer(X, training=False), plain / (1 + np.exp(-z)), atol=1e-5)


def test_the_penalty_is_on_weights_and_not_on_biases() -> None:
    layer = MixtureOfExperts(V, gate_rank=2, l2=1e-2)
    layer.build((None, H))
    layer.experts.bias.assign(np.full(V * 2, 9.0))
    kernels = (layer.gate_reduction.kernel, layer.gates.kernel, layer.experts.kernel)
    expected = sum(0.5e-2 * np.square(kernel).sum() for kernel in kernels)
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


def test_adapting_makes_it_predict_about_the_label_rates() -> None:
    layer = MixtureOfExperts(V)
    layer.build((None, H))
    labels = np.zeros((100, V), np.uint8)
    labels[:50, 0] = labels[:1, 1] = 1
    layer.adapt(labels)
    p = layer(np.zeros((1, H), np.float32)).numpy()[0]
    np.testing.assert_allclose(p, 2 / 3 * np.array([50.5, 1.5, 0.5, 0.5]) / 101, rtol=1e-4)
