"""A trained model as a folder: weights in Keras' layout and `model.json`; whole or not at all, same bytes each time."""

import importlib.metadata
from pathlib import Path
from typing import Any

import keras

import yt8m
from yt8m.exported_model import MANIFEST, WEIGHTS, describe_weights, model_fingerprint
from yt8m.storage import atomic_directory, write_json
from yt8m.training.job import Job
from yt8m.training.trainer import Outcome

METRICS = "validation_"


def write_model(folder: Path, job: Job, outcome: Outcome) -> dict[str, Any]:
    """Write the folder of a model; returns the content of its `model.json`."""
    with atomic_directory(folder) as temporary:
        weights = temporary / WEIGHTS
        outcome.model.save_weights(weights)
        manifest = _describe(job, outcome, describe_weights(weights, "float32"))
        write_json(temporary / MANIFEST, manifest)
    return manifest


def _describe(job: Job, outcome: Outcome, weights: dict[str, Any]) -> dict[str, Any]:
    preset, row = job.preset, outcome.row
    manifest = {
        "kind": "model",
        "name": preset["name"],
        "architecture": preset["model"]["name"],
        "settings": {key: value for key, value in preset["model"].items() if key != "name"},
        "level": preset["level"],
        "num_classes": job.num_classes,
        "parameters": _parameters(outcome.model),
        "weights": weights,
        "preset": preset,
        "seed": job.seed,
        "export": job.export,
        "vocabulary_fingerprint": job.vocabulary_fingerprint,
        "training_set_fingerprint": job.training_set.fingerprint(),
        "index_fingerprint": job.training_set.index_fingerprint,
        "validation_fingerprint": job.validation_fingerprint,
        "metrics": {name.removeprefix(METRICS): row[name] for name in row if name.startswith(METRICS)},
        "training": _training(job, outcome),
        "simulated": job.training_set.index.simulated,
        "versions": _versions(),
    }
    return {**manifest, "fingerprint": model_fingerprint(manifest)}


def _training(job: Job, outcome: Outcome) -> dict[str, Any]:
    state = outcome.state
    steps = sum(state.ended)
    return {
        "steps": steps,
        "examples": steps * job.preset["batch_size"],
        "seconds": round(state.seconds, 3),
        "exported_step": outcome.row["step"],
        "validation_videos": len(job.validation),
    }


def _parameters(model: keras.Model) -> int:
    """Numbers in the weights file; the states of random draws do not count."""
    return int(model.count_params())


def _versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in ("keras", "numpy")}
    backend = keras.backend.backend()
    packages[backend] = getattr(__import__(backend), "__version__", "unknown")
    return {"yt8m": yt8m.__version__, **packages}
