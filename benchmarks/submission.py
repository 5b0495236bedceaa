"""The submission of 1.1 million videos: the csv module beside the table of digits, from arrays to a file on disk."""

import csv
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from yt8m.prediction.table import Predictions
from yt8m.submission import write_csv

VIDEOS, CLASSES, PAIRS, NAIVE_SHARE = 1_112_357, 3862, 20, 8


def run() -> dict[str, dict]:
    table = _predictions()
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as folder:
        part = VIDEOS // NAIVE_SHARE
        naive = _seconds(lambda: _csv_module(table, part, Path(folder, "naive.csv"))) * VIDEOS / part
        ours = min(_seconds(lambda: write_csv(["bench"], [table], Path(folder, "ours.csv"))) for _ in range(3))
        _compare(Path(folder, "naive.csv"), Path(folder, "ours.csv"))
    return {"submission, 1.1M videos": {"naive": naive, "ours": ours, "ratio": naive / ours, "unit": "s"}}


def _predictions() -> Predictions:
    random = np.random.default_rng(0)
    alphabet = np.frombuffer(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", np.uint8)
    digits = np.arange(VIDEOS)[:, None] // 62 ** np.arange(4) % 62
    labels = np.arange(PAIRS) * (CLASSES // PAIRS) + random.integers(0, CLASSES // PAIRS, (VIDEOS, PAIRS))
    return Predictions(
        video_ids=np.ascontiguousarray(alphabet[digits]).view("S4").ravel(),
        labels=np.empty(0, np.int32),
        label_ranks=np.empty(0, np.int32),
        label_confidences=np.empty(0, np.float32),
        bounds=np.zeros(VIDEOS + 1, np.int64),
        top_labels=random.permuted(labels, axis=1).astype(np.int32),
        top_confidences=-np.sort(-(random.random((VIDEOS, PAIRS), dtype=np.float32) ** 6), axis=1),
        metadata={"num_classes": CLASSES, "simulated": False, "models": []},
    )


def _csv_module(table: Predictions, videos: int, path: Path) -> None:
    """A part of the videos, in the obvious way; the time grows in proportion."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["VideoId", "LabelConfidencePairs"])
        for row in range(videos):
            pairs = zip(table.top_labels[row], table.top_confidences[row], strict=True)
            writer.writerow([table.video_ids[row].decode(), " ".join(f"{label} {value:.6f}" for label, value in pairs)])
        file.flush()
        os.fsync(file.fileno())


def _seconds(job) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def _compare(naive: Path, ours: Path) -> None:
    expected = naive.read_bytes()
    with open(ours, "rb") as file:
        if file.read(len(expected)) != expected:
            raise AssertionError("the two submissions differ")
