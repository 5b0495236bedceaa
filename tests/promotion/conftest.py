"""Models whose predictions are as good as a test wants, and registries for them, local and on gs://."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yt8m.prediction.table import Predictions, write_predictions
from yt8m.prediction.top_k import label_ranks, top_k
from yt8m.promotion import promote
from yt8m.registry.champions import Registry
from yt8m.storage import file_crc32c

CLASSES, VIDEOS = 60, 600


@dataclass(frozen=True)
class Made:
    """A model's folder, its fingerprint, and its predictions of the validation videos."""

    model: Path
    fingerprint: str
    predictions: Path


@functools.cache
def scores_of(quality: float, videos: int = VIDEOS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores float32 [n, V], true labels and bounds; of two qualities only the share of noise differs."""
    rng = np.random.default_rng(7)
    counts = rng.integers(1, 4, videos)
    bounds = np.concatenate(([0], np.cumsum(counts)))
    labels = np.concatenate([np.sort(rng.choice(CLASSES, count, replace=False)) for count in counts])
    scores = rng.random((videos, CLASSES)) * 0.3
    scores[np.repeat(np.arange(videos), counts), labels] += quality * 0.3 * rng.random(len(labels))
    return scores.astype(np.float32), labels.astype(np.int32), bounds


@functools.cache
def ranked(quality: float, videos: int) -> tuple[np.ndarray, ...]:
    """What predictions keep of the scores: labels, their ranks and confidences, bounds, and the top of each video."""
    scores, labels, bounds = scores_of(quality, videos)
    return labels, *label_ranks(scores, labels, bounds), bounds, *top_k(scores, 20)


def predictions_of(fingerprint: str, quality: float, videos: int = VIDEOS, **metadata: Any) -> Predictions:
    models = [{"name": "made", "fingerprint": fingerprint, "training_set": "t"}]
    return Predictions(
        np.array([f"{number:04d}".encode() for number in range(videos)]), *ranked(quality, videos),
        {"num_classes": CLASSES, "simulated": False, "level": "video", "models": models, "index": "i" * 16, **metadata},
    )  # fmt: skip


def make_model(folder: Path, name: str, quality: float, *, saved_model: bool = False, **changes: Any) -> Made:
    """A folder as training exports it; its weights are bytes that no framework reads."""
    model, fingerprint = folder / name / "model", f"{hash_of(name):016x}"
    model.mkdir(parents=True)
    (model / "model.weights.h5").write_bytes(name.encode() * 1000)
    if saved_model:
        (model / "saved_model" / "variables").mkdir(parents=True)
        (model / "saved_model" / "saved_model.pb").write_bytes(b"graph of " + name.encode())
        (model / "saved_model" / "variables" / "variables.index").write_bytes(b"")
    weights = model / "model.weights.h5"
    manifest = {
        "kind": "model", "name": name, "architecture": "moe", "settings": {"experts": 2}, "level": "video",
        "num_classes": CLASSES, "parameters": 1234, "preset": {"frames": {"predict": {}}}, "seed": 3,
        "weights": {
            "file": weights.name, "bytes": weights.stat().st_size, "crc32c": file_crc32c(weights), "dtype": "float32",
        },
        "vocabulary_fingerprint": None, "training_set_fingerprint": "t" * 16, "index_fingerprint": "x" * 16,
        "training": {"steps": 10, "examples": 1600, "seconds": 90.0, "exported_step": 8}, "simulated": False,
        "versions": {"yt8m": "0.1.0", "keras": "3"}, "fingerprint": fingerprint, **changes,
    }  # fmt: skip
    (model / "model.json").write_text(json.dumps(manifest))
    write_predictions(folder / f"{name}.parquet", predictions_of(fingerprint, quality))
    return Made(model, fingerprint, folder / f"{name}.parquet")


def hash_of(name: str) -> int:
    return int.from_bytes(name.encode().ljust(8, b"_")[:8], "big")


def offer(made: Made, registry: str, champion: Made | None = None, **options: Any) -> dict[str, Any]:
    """Promote a made model over the champion with its predictions."""
    return promote(made.model, registry, made.predictions, champion.predictions if champion else None, **options)


def champion_of(registry: str) -> str | None:
    """The fingerprint of the champion."""
    current = Registry(registry).champion()
    return current.fingerprint if current else None


@pytest.fixture(params=["local", "gs"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a registry that is not there yet."""
    if request.param == "local":
        return str(tmp_path / "registry")
    request.getfixturevalue("gcs")
    return "gs://bucket/champions/tagger"


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Made]:
    """Models by name: `poor` is below the default floor, `fair` above, `good` better.

    `twin` is as good as `fair`, and `near` so little better that it cannot be told.
    """
    qualities = {"poor": 0.3, "fair": 1.2, "twin": 1.2, "near": 1.2002, "good": 2.0}
    return {name: make_model(tmp_path / "work", name, quality) for name, quality in qualities.items()}
