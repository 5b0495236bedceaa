"""Label-embedding head: formula, the frozen part, adapting."""

import numpy as np

from yt8m.models.heads import LabelEmbeddingHead

X = np.random.RandomState(0).randn(3, 5).astype(np.float32)
LABELS = (np.random.RandomState(1).rand(50, 6) < 0.3).astype(np.uint8)


def test_by_hand_after_adapting() -> None:
    layer = LabelEmbeddingHead(6, dimensions=4)
    layer.build((None, 5))
    layer.adapt(LABELS)
    shared = X @ np.array(layer.project.kernel) @ np.array(layer.embedding).T
    z = shared + X @ np.array(layer.dense.kernel) + np.array(layer.dense.bias)
    np.testing.assert_allclose(layer(X), 1 / (1 + np.exp(-z)), atol=1e-5)
    assert np.array(layer.embedding).any()


def test_the_embedding_is_saved_and_not_learned() -> None:
    layer = LabelEmbeddingHead(6)
    layer.build((None, 5))
    assert layer.dimensions == 6
    assert [tuple(v.shape) for v in layer.non_trainable_variables] == [(6, 6)]
    assert layer.count_params() == 5 * 6 + 6 * 6 + 5 * 6 + 6
