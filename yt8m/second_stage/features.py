"""What a re-ranker looks at: each candidate label of a video beside the video's other candidates.

All are computed from the confidences in the predictions and from the label statistics of the training videos; a label's
own number is none of them, so that a rare label learns from what holds of all.
"""

import numpy as np

from yt8m.second_stage.label_statistics import LabelStatistics
from yt8m.second_stage.members import Candidates

LEAST = 1e-7
SMOOTHING = 2.0
FIRST = 3
OF_MEMBERS = ("logit", "place")
COMMON = (
    "mean logit", "lowest logit", "highest logit", "to first", "to second", "to third", "to next", "to previous",
    "sum before", "sum", "entropy", "frequency", "prior", "place by prior", "prior against mean", "companions",
    "strongest companion", "companions present", "companions usual", "pmi", "rate together",
)  # fmt: skip


def feature_names(members: int) -> list[str]:
    """The names of the F features with so many models, in their order."""
    return [*COMMON, *(f"{name} {member}" for member in range(members) for name in OF_MEMBERS)]


def features(candidates: Candidates, statistics: LabelStatistics) -> np.ndarray:
    """float32 [n, C, F]: the features of each candidate."""
    common = [*_of_scores(candidates), *_of_labels(candidates, statistics)]
    members = [column for scores in candidates.members for column in (_logit(scores), _places(scores))]
    return np.stack([np.broadcast_to(column, candidates.mean.shape) for column in (*common, *members)], axis=-1)


def _of_scores(candidates: Candidates) -> list[np.ndarray]:
    mean = np.maximum(candidates.mean, LEAST)
    logs, logits = np.log(mean), _logit(candidates.members)
    shares = mean / mean.sum(axis=1, keepdims=True)
    first = [logs - logs[:, [min(place, logs.shape[1] - 1)]] for place in range(FIRST)]
    steps = np.diff(logs, axis=1)
    edge = np.zeros((len(logs), 1), np.float32)
    return [
        _logit(mean), logits.min(axis=0), logits.max(axis=0), *first,
        np.concatenate([steps, edge], axis=1), np.concatenate([edge, steps], axis=1),
        np.cumsum(mean, axis=1) - mean, mean.sum(axis=1, keepdims=True),
        -(shares * np.log(shares)).sum(axis=1, keepdims=True),
    ]  # fmt: skip


def _of_labels(candidates: Candidates, statistics: LabelStatistics) -> list[np.ndarray]:
    """Features of each label c given the others d, with their mean confidences P_d."""
    labels, mean = candidates.labels, candidates.mean
    size, videos = len(statistics.counts), max(statistics.videos, 1)
    pairs = labels[:, :, None].astype(np.int64) * size + labels[:, None, :]  # [n, d, c]
    together = statistics.together.ravel()[pairs]
    counts = statistics.counts[labels]
    prior = np.einsum("nd,ndc->nc", mean, statistics.prior.ravel()[pairs])
    given = mean[:, :, None] * together / (counts + SMOOTHING)[:, :, None]  # P_d P(c | d)
    present = np.einsum("nd,ndc->nc", mean, together) / (counts + SMOOTHING)
    expected = np.maximum(counts[:, :, None] * counts[:, None, :], 1) / videos
    pmi = np.log1p(together) - np.log1p(expected)
    usual = statistics.companions[labels]
    return [
        np.log((counts + 0.5) / videos), prior, _places(prior),
        np.log(np.maximum(prior, LEAST)) - np.log(np.maximum(mean, LEAST)),
        given.sum(axis=1), given.max(axis=1), present, usual, np.einsum("nd,ndc->nc", mean, pmi),
        np.log((np.einsum("nd,ndc->nc", mean, together) + 0.5) / videos),
    ]  # fmt: skip


def _logit(values: np.ndarray) -> np.ndarray:
    clipped = np.clip(values, LEAST, 1 - LEAST).astype(np.float32)
    return np.log(clipped / (1 - clipped))


def _places(scores: np.ndarray) -> np.ndarray:
    """The place of each candidate by descending scores, from 0; ties in their order."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float32)
