"""Small labelled predictions with all their scores, for brute force."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.evaluation.analysis.analyze import analyze
from yt8m.prediction.table import Predictions, write_predictions

METADATA = {
    "num_classes": 0, "simulated": False, "level": "video", "index": "indexindexindex0", "fingerprint": "f" * 16,
    "models": [{"name": "logistic", "fingerprint": "m" * 16, "training_set": "t" * 16}],
}  # fmt: skip


@dataclass
class Case:
    """Predictions on disk beside what they were made from: scores float32 [n, V] and the true labels of each video."""

    path: str
    scores: np.ndarray
    lists: list[list[int]]
    predictions: Predictions

    def ranking(self, video: int) -> list[int]:
        """All classes of a video, the most confident first."""
        return sorted(range(self.scores.shape[1]), key=lambda label: (-self.scores[video, label], label))


def predictions_of(scores, lists, top=20, **metadata):
    classes = scores.shape[1]
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.argsort(order, axis=1) + 1
    rows = np.repeat(np.arange(len(lists)), [len(labels) for labels in lists])
    labels = np.array([label for labels in lists for label in labels], np.int32)
    order = order[:, :top]
    return Predictions(
        video_ids=np.array([f"v{i:03d}".encode() for i in range(len(lists))], np.bytes_),
        labels=labels,
        label_ranks=ranks[rows, labels].astype(np.int32) if len(labels) else np.empty(0, np.int32),
        label_confidences=scores[rows, labels] if len(labels) else np.empty(0, np.float32),
        bounds=np.concatenate(([0], np.cumsum([len(labels) for labels in lists]))).astype(np.int64),
        top_labels=order.astype(np.int32),
        top_confidences=np.take_along_axis(scores, order, axis=1),
        metadata={**METADATA, "num_classes": classes, **metadata},
    )


def write_case(folder, scores, lists, **options):
    path = folder / "predictions.parquet"
    predictions = predictions_of(scores, lists, **options)
    write_predictions(path, predictions)
    return Case(str(path), scores, lists, predictions)


def random_case(folder, videos=250, classes=60, seed=0, **options):
    """Labels by a steep distribution, scores that know something about them, no two confidences alike."""
    draws = np.random.default_rng(seed)
    lists = [np.unique((classes * draws.random(draws.integers(0, 8)) ** 2).astype(int)).tolist() for _ in range(videos)]
    scores = draws.permutation(videos * classes).reshape(videos, classes) / (videos * classes)
    scores = scores**3 * 0.6
    for video, labels in enumerate(lists):
        known = 0.65 + 0.3 * draws.random(len(labels)) if video % 7 == 0 else 0.65 * draws.random(len(labels)) ** 0.7
        scores[video, labels] = scores[video, labels] * 0.05 + known
    places = np.argsort(np.argsort(scores.ravel(), kind="stable")).reshape(scores.shape)
    return write_case(folder, (((places + 1) / (scores.size + 1)) ** 3).astype(np.float32), lists, **options)


@pytest.fixture
def case(tmp_path):
    return random_case(tmp_path)


@pytest.fixture
def make_case(tmp_path):
    def make(scores, lists, **options):
        return write_case(tmp_path, np.array(scores, np.float32), lists, **options)

    return make


@pytest.fixture
def make_random_case(tmp_path):
    return lambda **options: random_case(tmp_path, **options)


def write_training_index(folder, lists):
    """The index of training videos with these labels; returns its path."""
    n = len(lists)
    index = VideoIndex(
        video_ids=np.array([f"t{i:03d}".encode() for i in range(n)]), shard_numbers=np.full(n, -1, np.int32),
        offsets=np.full(n, -1), lengths=np.zeros(n, np.int32), num_frames=np.zeros(n, np.int32),
        labels=np.array([label for labels in lists for label in labels], np.int32),
        bounds=np.concatenate(([0], np.cumsum([len(labels) for labels in lists]))), level="labels",
    )  # fmt: skip
    write_index(folder / "train.parquet", index)
    return str(folder / "train.parquet")


def write_vocabulary(folder, classes=60, names=None):
    """A vocabulary of this many labels; returns its path."""
    path = folder / "vocabulary.csv"
    names = names or [f"name {i}" for i in range(classes)]
    verticals = ["Games", "Sports", ""]
    rows = [f'{i},{10 * (classes - i)},"{names[i]}",{verticals[i % 3]}' for i in range(classes)]
    path.write_text("\n".join(["Index,TrainVideoCount,Name,Vertical1", *rows]) + "\n")
    return str(path)


@pytest.fixture
def training_index(tmp_path):
    return lambda lists: write_training_index(tmp_path, lists)


@pytest.fixture
def vocabulary(tmp_path):
    return lambda *arguments, **named: write_vocabulary(tmp_path, *arguments, **named)


@dataclass
class Analysis:
    """An analysis with all that there can be, not to be changed."""

    case: Case
    options: dict[str, str]
    folder: Path
    findings: dict[str, Any]


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    case = random_case(folder)
    index = write_training_index(folder, [labels for labels in case.lists for _ in range(5)])
    options = {"index": index, "vocabulary": write_vocabulary(folder)}
    return Analysis(case, options, folder / "out", analyze(case.path, folder / "out", **options))
