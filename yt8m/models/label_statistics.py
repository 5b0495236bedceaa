"""What a head can know of the labels before it learns: how frequent each is, and which occur together."""

import numpy as np

ITERATIONS, OVERSAMPLING = 8, 10


def label_logits(labels: np.ndarray) -> np.ndarray:
    """Logit of each label's smoothed rate `(count + 1/2) / (N + 1)`.

    Args:
        labels: multi-hot `[N, V]`.

    Returns:
        float32 `[V]`.
    """
    rate = (labels.sum(axis=0, dtype=np.float64) + 0.5) / (len(labels) + 1.0)
    return np.log(rate / (1.0 - rate)).astype(np.float32)


def cooccurrence(labels: np.ndarray) -> np.ndarray:
    """`D^-1/2 Y^T Y D^-1/2`, float32 `[V, V]`, of multi-hot labels Y `[N, V]`; D the label counts (absent: zero)."""
    rows, columns = np.nonzero(labels)
    starts = np.searchsorted(rows, np.arange(len(labels) + 1))
    size = labels.shape[1]
    counts = np.zeros(size * size, np.float32)
    lengths = np.diff(starts)
    for length in np.unique(lengths[lengths > 0]):
        block = columns[starts[:-1][lengths == length][:, None] + np.arange(length)]
        pairs = block[:, :, None] * size + block[:, None, :]
        counts += np.bincount(pairs.ravel(), minlength=size * size)
    matrix = counts.reshape(size, size)
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(matrix), 1.0))
    return matrix * scale[:, None] * scale[None, :]


def label_embedding(labels: np.ndarray, dimensions: int) -> np.ndarray:
    """A vector for each label whose inner products come closest to the normalised co-occurrence.

    `E = Q sqrt(lambda)` of the largest eigenvalues, found by subspace iteration from a fixed start (Halko et al. 2011,
    algorithm 4.4, https://arxiv.org/abs/0909.4061), so equal labels give equal vectors.

    Args:
        labels: multi-hot `[N, V]`.
        dimensions: r, at most V.

    Returns:
        float32 `[V, r]`.
    """
    matrix = cooccurrence(labels)
    width = min(dimensions + OVERSAMPLING, len(matrix))
    basis = np.random.RandomState(0).standard_normal((len(matrix), width)).astype(np.float32)
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(matrix @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    order = np.argsort(-values, kind="stable")[:dimensions]
    embedding = (basis @ vectors[:, order]) * np.sqrt(np.maximum(values[order], 0.0))
    largest = embedding[np.abs(embedding).argmax(axis=0), np.arange(embedding.shape[1])]
    return (embedding * np.where(largest < 0, -1.0, 1.0)).astype(np.float32)
