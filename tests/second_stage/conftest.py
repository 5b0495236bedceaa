"""Videos whose labels come in companies, and two models that see each label by itself and through noise."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.drawn import predictions_of
from tests.training.conftest import presets, video_files  # noqa: F401  (fixtures)
from yt8m.data.rebalance.training_set import Phase, TrainingSet, write_training_set
from yt8m.data.records.video_index import VideoIndex
from yt8m.prediction.table import Predictions, write_predictions

CLASSES, COMPANY = 40, 4
FITTED, JUDGED = 900, 500
TOP = 30


def drawn_labels(videos: int, seed: int) -> np.ndarray:
    """Multi-hot [n, V]: one or two companies of four labels each, of which a video has most, and a stray label."""
    random = np.random.default_rng(seed)
    companies = random.random((videos, CLASSES // COMPANY)) < 0.15
    companies[np.arange(videos), random.integers(0, CLASSES // COMPANY, videos)] = True
    labels = np.repeat(companies, COMPANY, axis=1) & (random.random((videos, CLASSES)) < 0.8)
    labels[np.arange(videos), random.integers(0, CLASSES, videos)] = True
    return labels


def drawn_predictions(labels: np.ndarray, prefix: str, model: dict[str, Any], seed: int) -> Predictions:
    random = np.random.default_rng(seed)
    logits = 2.5 * labels - 2.5 + random.standard_normal(labels.shape)
    table = predictions_of((1 / (1 + np.exp(-logits))).astype(np.float32), labels, TOP, models=[model],
                           fingerprint=f"{model['name']} {prefix}", level="video")  # fmt: skip
    return replace(table, video_ids=ids_of(prefix, len(labels)))


def ids_of(prefix: str, count: int) -> np.ndarray:
    return np.array([f"{prefix}{row:05d}".encode() for row in range(count)])


@dataclass(frozen=True)
class Files:
    """Files of two models, `a` and `b`: cross-fitted predictions, predictions of new videos, and the training set."""

    folder: Path
    training_set: Path
    models: list[dict[str, Any]]

    @property
    def crossfitted(self) -> list[Path]:
        return [self.folder / f"crossfit-{model['name']}.parquet" for model in self.models]

    @property
    def judged(self) -> list[Path]:
        return [self.folder / f"judged-{model['name']}.parquet" for model in self.models]

    def variant(self, file: str, labels: np.ndarray, prefix: str, **model: Any) -> Path:
        """A table of model `a`, of other videos or with something else about the model."""
        path = self.folder / f"{file}.parquet"
        write_predictions(path, drawn_predictions(labels, prefix, {**self.models[0], **model}, 9))
        return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("second")
    labels = drawn_labels(FITTED, 0)
    rows, true = np.nonzero(labels)
    bounds, zeros = np.searchsorted(rows, np.arange(FITTED + 1)), np.zeros(FITTED, np.int32)
    index = VideoIndex(
        ids_of("t", FITTED), zeros - 1, zeros.astype(np.int64) - 1, zeros, zeros, true.astype(np.int32),
        bounds.astype(np.int64), (), "", "labels", False,
    )  # fmt: skip
    training = TrainingSet(index, np.ones((1, FITTED), np.int32), (Phase(),), index_fingerprint=index.fingerprint())
    write_training_set(folder / "training_set.parquet", training)
    models = [{"name": name, "fingerprint": name, "training_set": training.fingerprint()} for name in "ab"]
    made = Files(folder, folder / "training_set.parquet", models)
    for number, model in enumerate(models):
        write_predictions(made.crossfitted[number], drawn_predictions(labels, "t", {**model, "folds": 3}, number))
        write_predictions(made.judged[number], drawn_predictions(drawn_labels(JUDGED, 1), "j", model, 5 + number))
    return made
