"""Exact GAP of a whole partition by np.argsort beside the packed sort, and the top 20 of 3,862 by np.argpartition."""

import time
from collections.abc import Callable

import numpy as np

from yt8m.evaluation.metrics import gap
from yt8m.prediction.top_k import top_k

VIDEOS, CLASSES, K, ROUNDS = 1_112_357, 3862, 20, 4


def run() -> dict[str, dict]:
    random = np.random.default_rng(0)
    confidences = -np.sort(-(random.random((VIDEOS, K), dtype=np.float32) ** 6), axis=1)
    hits = random.random((VIDEOS, K)) < confidences * 0.8
    positives = int(np.count_nonzero(hits) * 1.1)
    scores = random.random((4096, CLASSES), dtype=np.float32) ** 8
    results = {
        "exact GAP, 22.2M pairs": _beside(
            lambda: _argsort_gap(confidences, hits, positives), lambda: gap(confidences, hits, positives), 1, "s"
        ),
        "top 20 of 3,862 in order": _beside(
            lambda: _argpartition(scores), lambda: top_k(scores, K)[0], 1e6 / len(scores), "us a video"
        ),
    }
    if abs(_argsort_gap(confidences, hits, positives) - gap(confidences, hits, positives)) > 1e-5:  # ties
        raise AssertionError("the two GAPs differ")
    if not np.array_equal(_argpartition(scores[:100]), top_k(scores[:100], K)[0]):
        raise AssertionError("the two top 20 differ")
    return results


def _argsort_gap(confidences: np.ndarray, hits: np.ndarray, positives: int) -> float:
    ordered = hits.ravel()[np.argsort(-confidences.ravel())]
    precision = np.cumsum(ordered) / np.arange(1, ordered.size + 1)
    return float((precision * ordered).sum() / positives)


def _argpartition(scores: np.ndarray) -> np.ndarray:
    best = np.argpartition(scores, -K, axis=1)[:, -K:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def _beside(naive: Callable, ours: Callable, scale: float, unit: str) -> dict:
    """The fastest of some rounds of each, in turns, so that other load on the machine meets both."""
    rounds = [(_seconds(naive) * scale, _seconds(ours) * scale) for _ in range(ROUNDS)]
    slow, fast = (min(times) for times in zip(*rounds, strict=True))
    return {"naive": slow, "ours": fast, "ratio": slow / fast, "unit": unit}


def _seconds(job: Callable) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start
