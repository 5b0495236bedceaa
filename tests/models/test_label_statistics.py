"""Label rates and embeddings: against dense linear algebra."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from yt8m.models.heads import cooccurrence, label_embedding, label_logits

LABELS = (np.random.RandomState(0).rand(200, 30) < np.linspace(0.4, 0.01, 30)).astype(np.uint8)


@given(labels=arrays(np.uint8, (7, 5), elements=st.integers(0, 1)))
def test_cooccurrence_is_the_normalised_product(labels: np.ndarray) -> None:
    product = labels.T.astype(float) @ labels
    scale = 1 / np.sqrt(np.maximum(np.diagonal(product), 1))
    np.testing.assert_allclose(cooccurrence(labels), product * np.outer(scale, scale), atol=1e-6)


def test_the_embedding_is_the_best_of_its_rank() -> None:
    matrix = cooccurrence(LABELS).astype(np.float64)
    values, vectors = np.linalg.eigh(matrix)
    best = (vectors[:, -8:] * values[-8:]) @ vectors[:, -8:].T
    embedding = label_embedding(LABELS, 8)
    assert embedding.shape == (30, 8)
    ours, ideal = (np.linalg.norm(matrix - x) for x in (embedding @ embedding.T, best))
    assert ideal <= ours + 1e-6
    assert ours < 1.02 * ideal


def test_equal_labels_give_equal_bits_and_full_rank_gives_the_matrix() -> None:
    assert label_embedding(LABELS, 5).tobytes() == label_embedding(LABELS, 5).tobytes()
    full = label_embedding(LABELS, 30)
    np.testing.assert_allclose(full @ full.T, cooccurrence(LABELS), atol=1e-4)


def test_absent_labels_have_finite_logits_and_no_vector() -> None:
    labels = LABELS.copy()
    labels[:, 3] = 0
    assert np.isfinite(label_logits(labels)).all()
    np.testing.assert_allclose(label_embedding(labels, 4)[3], 0, atol=1e-6)
