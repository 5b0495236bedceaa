"""The mixture: its vote and its distillation, from its branches' logits."""

import numpy as np
import pytest
from keras import ops

from yt8m import models
from yt8m.models.numerics import frame_mask

SETTINGS = {"clusters": 4, "hidden": 16, "groups": 4, "dropout": 0.0}


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def parts(model: models.Tagger, videos: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The branches' weights `[B, M]` and logits `[B, M, V]` in training."""
    valid = frame_mask(videos["num_frames"], 9)
    frames = model.unwhiten(model._frames(videos, valid))
    weights = model.weights_dense(model.weights_norm(ops.mean(frames, axis=1), training=True))
    logits = [branch(frames, valid=valid, training=True) for branch in model.branches]
    return softmax(np.array(weights)), np.stack([np.array(z) for z in logits], axis=1)


def test_the_vote_and_the_distillation_by_hand(videos: dict[str, np.ndarray]) -> None:
    model = models.create("nextvlad-mixture", 12, **SETTINGS, branches=2, temperature=2.0, distillation=5.0)
    weights, logits = parts(model, videos)
    mixture = (weights[..., None] * logits).sum(axis=1)
    p = model(videos, training=True).numpy()
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-mixture)), atol=1e-5)
    teacher, students = softmax(mixture / 2)[:, None], softmax(logits / 2)
    divergence = (teacher * np.log(teacher / students)).sum(axis=(1, 2)).mean()
    penalties = sum(
        0.5e-5 * (np.square(branch.head.dense.kernel).sum() + np.square(branch.head.dense.bias).sum())
        for branch in model.branches
    )
    assert float(sum(model.losses)) == pytest.approx(5 * divergence + penalties, rel=1e-4)


def test_there_is_no_distillation_in_evaluation_or_with_weight_zero(videos: dict[str, np.ndarray]) -> None:
    model = models.create("nextvlad-mixture", 12, **SETTINGS, l2=0.0)
    model(videos, training=False)
    assert not model.losses
    model(videos, training=True)
    assert len(model.losses) == 1
    silent = models.create("nextvlad-mixture", 12, **SETTINGS, l2=0.0, distillation=0.0)
    silent(videos, training=True)
    assert not silent.losses
