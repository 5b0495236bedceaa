"""The mlp takes feature weights and label rates from data."""

import numpy as np
import pytest

from yt8m import models

RANDOM = np.random.RandomState(0)
FEATURES = {
    "rgb": (RANDOM.randn(80, 1, 1024) * np.linspace(2, 0.1, 1024)).astype(np.float32),
    "audio": RANDOM.randn(80, 1, 128).astype(np.float32),
    "num_frames": np.ones(80, np.int32),
}
LABELS = (RANDOM.rand(80, 5) < 0.3).astype(np.uint8)


def test_adapting_sets_features_and_rates() -> None:
    model = models.create("mlp", 5, hidden=4)
    assert model.needs_data
    model.adapt(FEATURES, LABELS)
    np.testing.assert_allclose(model.rgb_scaling.factors, FEATURES["rgb"][:, 0].std(axis=0) ** 2.5, rtol=1e-4)
    rates = (LABELS.sum(axis=0) + 0.5) / 81
    np.testing.assert_allclose(1 / (1 + np.exp(-np.array(model.head.dense.bias))), rates, rtol=1e-4)


def test_by_hand() -> None:
    model = models.create("mlp", 5, hidden=4)
    model.adapt(FEATURES, LABELS)
    parts = []
    for stream, scale in (("rgb", 32), ("audio", 16)):
        x = FEATURES[stream][:, 0]
        x = x * x.std(axis=0) ** 2.5
        parts.append(scale * x / np.linalg.norm(x, axis=1, keepdims=True))
    hidden = np.concatenate(parts, axis=1) @ np.array(model.hidden.kernel) + np.array(model.hidden.bias)
    hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
    logits = hidden @ np.array(model.head.dense.kernel) + np.array(model.head.dense.bias)
    np.testing.assert_allclose(model(FEATURES, training=False), 1 / (1 + np.exp(-logits)), atol=2e-3)


@pytest.mark.parametrize(("name", "needed"), [("netvlad", False), ("logistic", False), ("mlp", True)])
def test_which_models_need_data(name: str, needed: bool) -> None:
    settings = {} if name == "logistic" else {"hidden": 4}
    assert models.create(name, 5, **settings).needs_data is needed


def test_any_head_can_be_a_label_embedding() -> None:
    model = models.create("netvlad", 5, clusters=4, hidden=4, head="label-embedding")
    assert model.needs_data
    model.adapt(FEATURES, LABELS)
    assert np.array(model.head.embedding).any()
