"""Error analysis of 1.1 million videos x 20, from the files to the report, beside its limits.

The label lists are the real ones of the validate partition, drawn anew; the predictions are made up: nine of ten true
labels are found, and half of the videos have a confident wrong label.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.real_labels import read_lists
from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.prediction.table import Predictions, write_predictions

VIDEOS, TRAINING, CLASSES, K = 1_112_357, 3_900_000, 3862, 20
MOST_LABELS, FILLERS, CHUNK = 12, 24, 50_000
VOCABULARY = Path(__file__).parents[1] / "sample" / "vocabulary.csv"
LIMIT_SECONDS, LIMIT_GB = 60.0, 4.0
SCRIPT = (
    "import resource, sys; from yt8m.cli import main; code = main(sys.argv[1:]);"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6); sys.exit(code)"
)


def run() -> dict[str, dict]:
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as folder:
        predictions, index = str(Path(folder, "predictions.parquet")), str(Path(folder, "index.parquet"))
        _write(predictions, index)
        arguments = [predictions, "--index", index, "--vocabulary", str(VOCABULARY)]
        seconds, memory = _command(["analyze", *arguments, "-o", str(Path(folder, "out"))])
        return {
            "error analysis, 1.1M videos, beside its limit": _row(LIMIT_SECONDS, seconds, "s"),
            "its peak memory, beside its limit": _row(LIMIT_GB, memory, "GB"),
        }


def _command(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak gigabytes of a command in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, float(done.stdout.split()[-1])


def _row(naive: float, ours: float, unit: str) -> dict:
    return {"naive": naive, "ours": ours, "ratio": naive / ours, "unit": unit}


def _write(predictions: str, index: str) -> None:
    random = np.random.default_rng(0)
    lists, videos = read_lists()
    fit = np.array([len(labels) <= MOST_LABELS for labels in lists])
    padded = np.full((len(lists), MOST_LABELS), -1, np.int32)
    for row in np.flatnonzero(fit):
        padded[row, : len(lists[row])] = lists[row]
    shares = np.where(fit, videos, 0) / videos[fit].sum()
    write_predictions(predictions, _predictions(padded[random.choice(len(lists), VIDEOS, p=shares)], random))
    write_index(index, _index(padded[random.choice(len(lists), TRAINING, p=shares)]))


def _index(padded: np.ndarray) -> VideoIndex:
    n, sizes = len(padded), np.count_nonzero(padded >= 0, axis=1)
    return VideoIndex(
        video_ids=_ids(n), shard_numbers=np.full(n, -1, np.int32), offsets=np.full(n, -1, np.int64),
        lengths=np.zeros(n, np.int32), num_frames=np.zeros(n, np.int32), labels=padded[padded >= 0],
        bounds=np.concatenate(([0], np.cumsum(sizes))), level="labels",
    )  # fmt: skip


def _predictions(padded: np.ndarray, random: np.random.Generator) -> Predictions:
    parts = [_answers(padded[start : start + CHUNK], random) for start in range(0, len(padded), CHUNK)]
    ranks, confidences, top_labels, top_confidences = (np.concatenate(column) for column in zip(*parts, strict=True))
    sizes = np.count_nonzero(padded >= 0, axis=1)
    return Predictions(
        _ids(len(padded)), padded[padded >= 0], ranks, confidences, np.concatenate(([0], np.cumsum(sizes))),
        top_labels, top_confidences, {"num_classes": CLASSES, "simulated": False, "models": []},
    )  # fmt: skip


def _answers(true: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Ranks and confidences of the true labels, labels and confidences of the top K, of some videos."""
    n, width = len(true), CLASSES // FILLERS
    fillers = (np.arange(FILLERS) * width + random.integers(0, width, (n, FILLERS))).astype(np.int32)
    said = 0.05 * random.random((n, FILLERS))
    said[:, 0] = np.where(random.random(n) < 0.5, random.random(n), said[:, 0])
    said[(fillers[:, :, None] == true[:, None, :]).any(axis=2)] = -1
    found = (true >= 0) & (random.random(true.shape) < 0.9)
    sure = np.where(found, 0.1 + 0.9 * random.random(true.shape), -1)
    labels, confidences = np.hstack([true, fillers]), np.hstack([sure, said]).astype(np.float32)
    order = np.argsort(-confidences, axis=1)
    ranks = np.argsort(order, axis=1)[:, :MOST_LABELS] + 1
    missed = ~found | (ranks > K)
    ranks = np.where(missed, K + 1 + (CLASSES - K - 1) * random.random(true.shape) ** 3, ranks).astype(np.int32)
    top = order[:, :K]
    return (
        ranks[true >= 0], np.where(missed, np.float32(0), sure).astype(np.float32)[true >= 0],
        np.take_along_axis(labels, top, axis=1), np.take_along_axis(confidences, top, axis=1),
    )  # fmt: skip


def _ids(n: int) -> np.ndarray:
    digits = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)[
        np.arange(n)[:, None] // 36 ** np.arange(5) % 36
    ]
    return np.ascontiguousarray(digits).view("S5").ravel()
