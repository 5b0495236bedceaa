"""Predictions of models that were never trained: drawn at random, with labels as skewed as the dataset's."""

from typing import Any

import numpy as np

from yt8m.prediction.table import Predictions
from yt8m.prediction.top_k import label_ranks, top_k


def predictions_of(scores: np.ndarray, labels: np.ndarray, top: int = 20, **metadata: Any) -> Predictions:
    """The predictions of a model with these scores [n, V] for videos with these labels, multi-hot [n, V]."""
    rows, true = np.nonzero(labels)
    bounds = np.searchsorted(rows, np.arange(len(labels) + 1))
    ids = np.array([b"%06d" % row for row in range(len(labels))], "S6")
    metadata = {
        "num_classes": scores.shape[1], "simulated": False, "level": "frame", "index": "abc", "fingerprint": "def",
        "models": [{"name": "netvlad-small", "fingerprint": "123", "training_set": "456"}], **metadata,
    }  # fmt: skip
    return Predictions(
        ids, true.astype(np.int32), *label_ranks(scores, true, bounds), bounds, *top_k(scores, top), metadata
    )


class World:
    """Videos with labels, of which models see more or less.

    Args:
        videos: n.
        classes: V; the frequency of label i falls as 1 / (i + 3).
        seed: of the labels and of what all models see alike.
    """

    def __init__(self, videos: int, classes: int = 60, seed: int = 0):
        random = np.random.default_rng(seed)
        weights = 1 / (np.arange(classes) + 3.0)
        self.labels = random.random((videos, classes)) < np.minimum(0.9, 1.5 * weights)
        ease = 1 + random.standard_normal((videos, 1), np.float32)
        self.seen = 1 + 2 * self.labels * ease + random.standard_normal((videos, classes), np.float32) + np.log(weights)

    def predictions(self, seed: int, noise: float = 0.5, steps: int | None = None, **metadata: Any) -> Predictions:
        """What a model says that sees the videos through noise of its own; `steps` rounds its confidences."""
        random = np.random.default_rng(seed)
        logits = self.seen - 3 + noise * random.standard_normal(self.seen.shape, np.float32)
        scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
        if steps:
            scores = np.round(scores * steps) / np.float32(steps)
        return predictions_of(scores, self.labels, **metadata)
