"""Evaluate and compare 1.1 million videos, from the file to metrics.json and compare.html, beside argsort.

Naive is what NumPy offers at once: the same scores of the same parts, each by `np.argsort`, without any interval; for
the comparison the same twice, and 1,000 bootstrap replicates for the interval (a few are timed, the rest reckoned).
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from yt8m.artifacts import write_table
from yt8m.evaluation.comparison.compare import compare
from yt8m.evaluation.evaluate import evaluate
from yt8m.evaluation.metrics import hits_in_top
from yt8m.evaluation.slices import LABEL_BUCKETS, NUMBERS_OF_LABELS
from yt8m.prediction.table import Predictions, read_predictions, write_predictions

VIDEOS, CLASSES, K, REPLICATES, TIMED, VERTICALS = 1_112_357, 3862, 20, 1000, 2, 25


def run() -> dict[str, dict]:
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as folder:
        names = [str(Path(folder, name)) for name in ("a.parquet", "b.parquet")]
        first = _predictions()
        facts = _facts(Path(folder), first)
        write_predictions(names[0], first)
        write_predictions(names[1], _other(first))
        del first
        scores, naive = _timed(lambda: _naive(names[0]))
        result, ours = _timed(lambda: evaluate(names[0], folder, **facts))
        _require_same(result, scores)
        replicates = _bootstrap_seconds(names[0])
        compared, both = _timed(lambda: compare(*names, folder, **facts))
        _require_same(compared["a"], scores)
    return {
        "evaluate, 1.1M videos": _row(naive, ours),
        "compare, 2 x 1.1M videos": _row(2 * naive + 2 * replicates, both),
    }


def _predictions() -> Predictions:
    """Videos with 3 labels on average, three quarters of them in the top 20; frequencies fall as 1 / (i + 5)."""
    random = np.random.default_rng(0)
    weights = np.cumsum(1 / (np.arange(CLASSES) + 5.0))
    first = np.searchsorted(weights / weights[-1], random.random((VIDEOS, 1)))
    steps = random.integers(1, CLASSES // K, (VIDEOS, K), dtype=np.int32)
    top = ((first + np.cumsum(steps, axis=1, dtype=np.int32)) % CLASSES).astype(np.int32)
    top[:, 0] = first[:, 0]  # the steps add up to less than all classes, so a video's labels differ
    confidences = -np.sort(-(random.random((VIDEOS, K), dtype=np.float32) ** 6), axis=1)
    hits = random.random((VIDEOS, K), dtype=np.float32) < 0.8 * confidences
    rows, places = np.nonzero(hits)
    missed = np.flatnonzero(random.random(VIDEOS) < 0.3)
    left = (top[missed, -1] + 1 + random.integers(0, 50, len(missed))) % CLASSES
    fresh = ~(top[missed] == left[:, None]).any(axis=1)
    missed, left = missed[fresh], left[fresh]
    owners = np.concatenate((rows, missed))
    order = np.argsort(owners, kind="stable")
    return Predictions(
        video_ids=_ids(),
        labels=np.concatenate((top[rows, places], left))[order].astype(np.int32),
        label_ranks=np.concatenate((places + 1, np.full(len(missed), 40)))[order].astype(np.int32),
        label_confidences=np.concatenate((confidences[rows, places], np.zeros(len(missed), np.float32)))[order],
        bounds=np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=VIDEOS)))),
        top_labels=top,
        top_confidences=confidences,
        metadata={"num_classes": CLASSES, "simulated": False, "models": [{"name": "bench"}]},
    )


def _ids() -> np.ndarray:
    alphabet = np.frombuffer(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", np.uint8)
    return np.ascontiguousarray(alphabet[np.arange(VIDEOS)[:, None] // 62 ** np.arange(4) % 62]).view("S4").ravel()


def _other(table: Predictions) -> Predictions:
    """The same labels by a model that is a little less sure of them."""
    random = np.random.default_rng(1)
    noisy = table.top_confidences * (0.8 + 0.2 * random.random(table.top_confidences.shape, np.float32))
    order = np.argsort(-noisy, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1)
    inside = table.label_ranks <= K
    moved = table.label_ranks.copy()
    moved[inside] = ranks[table.label_rows[inside], table.label_ranks[inside] - 1] + 1
    own = table.label_confidences.copy()
    own[inside] = noisy[table.label_rows[inside], table.label_ranks[inside] - 1]
    return replace(
        table, label_ranks=moved, label_confidences=own, top_labels=np.take_along_axis(table.top_labels, order, 1),
        top_confidences=np.take_along_axis(noisy, order, 1),
    )  # fmt: skip


def _facts(folder: Path, table: Predictions) -> dict[str, str]:
    """A training index (the same labels) and a vocabulary, so that every part is scored."""
    lists = pa.ListArray.from_arrays(pa.array(table.bounds.astype(np.int32)), pa.array(table.labels))
    write_table(folder / "train.parquet", pa.table({"labels": lists}), "video_index", {})
    rows = [f"{label},{label},name {label},vertical {label % VERTICALS}" for label in range(CLASSES)]
    (folder / "v.csv").write_text("\n".join(["Index,TrainVideoCount,Name,Vertical1", *rows]))
    return {"index": str(folder / "train.parquet"), "vocabulary": str(folder / "v.csv")}


def _naive(path: str) -> dict[str, float]:
    """GAP in all and of each part, MAP and Hit@1; a part at a time, a sort each."""
    table = read_predictions(path)
    hits = hits_in_top(table.label_ranks, table.bounds, K)
    counts = np.bincount(table.labels, minlength=CLASSES)
    sizes, confidences = table.labels_per_video, table.top_confidences
    for first, last in NUMBERS_OF_LABELS:
        chosen = (sizes >= first) & (sizes <= (last or CLASSES))
        _argsort_gap(confidences[chosen], hits[chosen], int(sizes[chosen].sum()))
    decades = np.digitize(counts, [1, 10, 100, 1_000, 10_000, 100_000])
    buckets = np.digitize(np.arange(CLASSES), [first for first, _ in LABEL_BUCKETS])
    for groups in (buckets, decades, np.arange(CLASSES) % VERTICALS):
        for group in np.unique(groups):
            inside = (groups == group)[table.top_labels]
            _argsort_gap(confidences[inside], hits[inside], int(counts[groups == group].sum()))
    precisions = []
    order = np.argsort(table.top_labels.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(table.top_labels.ravel(), minlength=CLASSES))
    for label in np.flatnonzero(counts):
        mine = order[ends[label - 1] if label else 0 : ends[label]]
        precisions.append(_argsort_gap(confidences.ravel()[mine], hits.ravel()[mine], int(counts[label])))
    return {
        "gap": _argsort_gap(confidences, hits, int(counts.sum())), "map": float(np.mean(precisions)),
        "hit_at_1": float(hits[:, 0].mean()),
    }  # fmt: skip


def _argsort_gap(confidences: np.ndarray, hits: np.ndarray, positives: int) -> float:
    ordered = hits.ravel()[np.argsort(-confidences.ravel())]
    precision = np.cumsum(ordered) / np.arange(1, ordered.size + 1)
    return float((precision * ordered).sum() / positives)


def _bootstrap_seconds(path: str) -> float:
    """Seconds of 1,000 replicates of GAP."""
    table = read_predictions(path)
    hits, random = hits_in_top(table.label_ranks, table.bounds, K), np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(TIMED):
        rows = random.integers(0, VIDEOS, VIDEOS)
        _argsort_gap(table.top_confidences[rows], hits[rows], int(table.labels_per_video[rows].sum()))
    return (time.perf_counter() - start) * REPLICATES / TIMED


def _timed(job: Callable) -> tuple[dict, float]:
    start = time.perf_counter()
    result = job()
    return result, time.perf_counter() - start


def _require_same(ours: dict, naive: dict) -> None:
    for key, value in naive.items():
        if abs(ours[key] - value) > 1e-4:  # ties
            raise AssertionError(f"{key} is {ours[key]} and naively {value}")


def _row(naive: float, ours: float) -> dict:
    return {"naive": naive, "ours": ours, "ratio": naive / ours, "unit": "s"}
