"""A trained model as a folder: weights, SavedModel and `model.json`; whole or not at all."""

import importlib.metadata
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

import yt8m
from yt8m.errors import InputError
from yt8m.models.float16 import round_to_float16
from yt8m.models.size import measure
from yt8m.prediction.predict import load_model
from yt8m.presets import wants_saved_model
from yt8m.progress import log
from yt8m.registry.manifest import (
    MANIFEST,
    SAVED_MODEL,
    WEIGHTS,
    describe_files,
    describe_weights,
    model_fingerprint,
    read_manifest,
)
from yt8m.storage import PARTIAL, atomic_directory, write_json
from yt8m.training.job import Job
from yt8m.training.trainer import Outcome

METRICS = "validation_"


def check_export(preset: dict[str, Any], num_classes: int) -> None:
    """Whether the model of a preset can be written, before it is trained.

    Raises:
        InputError: it is larger than `max_model_bytes`, or a SavedModel cannot choose frames as the preset does.
    """
    if wants_saved_model(preset):
        check_sampling(preset["frames"]["predict"])
    settings = {key: value for key, value in preset["model"].items() if key != "name"}
    size = measure(preset["model"]["name"], num_classes, level=preset["level"], **settings)
    _check_bytes(size.bytes(preset["export_dtype"]), preset, size.bytes("float16"))


def write_model(folder: Path, job: Job, outcome: Outcome) -> dict[str, Any]:
    """Write the folder of a trained model; returns the content of its `model.json`.

    Raises:
        InputError: it is larger than `max_model_bytes`, or a weight is too large for float16.
    """
    return _write(folder, outcome.model, _describe(job, outcome), job.preset)


def write_again(folder: Path, preset: dict[str, Any]) -> dict[str, Any]:
    """Write the model of a folder anew, as the `EXPORT_KEYS` of a preset ask; returns its new `model.json`.

    Raises:
        InputError: as `write_model`; or float32 weights are asked for, and these were rounded to float16.
    """
    if (read_manifest(folder)["weights"]["dtype"], preset["export_dtype"]) == ("float16", "float32"):
        raise InputError(f"{folder}: its weights were rounded to float16; to have them in float32, train in another "
                         "output folder")  # fmt: skip
    trained = load_model(folder)
    log(f"{folder}: written again in {preset['export_dtype']}")
    return _write(folder, trained.model, {**trained.manifest, "preset": preset}, preset)


def _write(folder: Path, model: keras.Model, about: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """Write a model's folder; `about` is what its `model.json` says beside the files."""
    dtype = preset["export_dtype"]
    rounding = round_to_float16(model).to_json() if dtype == "float16" else None
    with atomic_directory(folder) as temporary:
        write_weights(temporary / WEIGHTS, model, dtype)
        manifest = {**about, "weights": describe_weights(temporary / WEIGHTS, dtype), "rounding": rounding}
        manifest["fingerprint"] = model_fingerprint(manifest)
        if wants_saved_model(preset):
            from yt8m.training.saved_model import write_saved_model

            write_saved_model(
                temporary / SAVED_MODEL,
                model,
                level=preset["level"],
                sampling=preset["frames"]["predict"],
                dtype=dtype,
                unique=manifest["fingerprint"],
            )
        manifest["files"] = describe_files(temporary)
        saved = sum(entry["bytes"] for entry in manifest["files"] if entry["file"] != WEIGHTS)
        _check_bytes(max(manifest["weights"]["bytes"], saved), preset)
        write_json(temporary / MANIFEST, manifest)
    return manifest


def _check_bytes(count: int, preset: dict[str, Any], in_float16: int | None = None) -> None:
    """Refuse a model of more bytes than the preset allows; `in_float16` is its size in that dtype, if known."""
    limit, dtype = preset["max_model_bytes"], preset["export_dtype"]
    if count <= limit:
        return
    if dtype == "float32" and (in_float16 is None or in_float16 <= limit):
        remedy = "export in float16 (--export-dtype float16), half the bytes"
    else:
        remedy = "make it smaller (fewer clusters, a smaller hidden layer)"
    raise InputError(f"{preset['name']}: the model takes {count:,} bytes in {dtype}, above the limit of {limit:,}; "
                     f"{remedy}, or allow it with --max-model-bytes")  # fmt: skip


def _describe(job: Job, outcome: Outcome) -> dict[str, Any]:
    preset, row = job.preset, outcome.row
    return {
        "kind": "model",
        "name": preset["name"],
        "architecture": preset["model"]["name"],
        "settings": {key: value for key, value in preset["model"].items() if key != "name"},
        "level": preset["level"],
        "num_classes": job.num_classes,
        "parameters": _parameters(outcome.model),
        "preset": preset,
        "identity": job.configuration,
        "seed": job.seed,
        "export": job.export,
        "initial_model": job.initial.fingerprint if job.initial else None,
        "teacher": job.teacher.fingerprint if job.teacher else None,
        "vocabulary_fingerprint": job.vocabulary_fingerprint,
        "training_set_fingerprint": job.training_set.fingerprint(),
        "index_fingerprint": job.training_set.index_fingerprint,
        "validation_fingerprint": job.validation_fingerprint,
        "metrics": {name.removeprefix(METRICS): row[name] for name in row if name.startswith(METRICS)},
        "training": _training(job, outcome),
        "simulated": job.training_set.index.simulated,
        "versions": _versions(),
    }


def _training(job: Job, outcome: Outcome) -> dict[str, Any]:
    state = outcome.state
    steps = sum(state.ended)
    return {
        "steps": steps,
        "examples": steps * job.preset["batch_size"],
        "seconds": round(state.seconds, 3),
        "exported_step": outcome.row["step"],
        "validation_videos": len(job.sample),
        "replicas": outcome.replicas,
    }


def _parameters(model: keras.Model) -> int:
    """Numbers in the weights file; the states of random draws do not count."""
    return int(model.count_params())


def _versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in ("keras", "numpy")}
    backend = keras.backend.backend()
    packages[backend] = getattr(__import__(backend), "__version__", "unknown")
    return {"yt8m": yt8m.__version__, **packages}


def write_weights(file: Path, model: keras.Model, dtype: str) -> None:
    """Write a model's weights; the same weights give the same bytes.

    Args:
        file: to write; its name ends in `.weights.h5`.
        model: rounded by `yt8m.models.float16.round_to_float16` if float16 is asked for.
        dtype: `float32`; or `float16`, which stores each matrix in float16 if float16 holds all its values, and
            everything else in float32. Keras casts when it loads.
    """
    if dtype == "float32":
        model.save_weights(file)
        return
    wide = file.with_name(f"{PARTIAL}{file.name}")
    try:
        model.save_weights(wide)
        with h5py.File(wide, "r") as source, h5py.File(file, "w") as target:
            _copy_narrow(source, target)
    finally:
        wide.unlink(missing_ok=True)


def _copy_narrow(source: Any, target: Any) -> None:
    """Copy an HDF5 group with its attributes, the matrices narrowed."""
    for key, value in source.attrs.items():
        target.attrs[key] = value
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy_narrow(item, target.create_group(name))
        else:
            copy = target.create_dataset(name, data=_narrow(item[()]))
            for key, value in item.attrs.items():
                copy.attrs[key] = value


def _narrow(values: np.ndarray) -> np.ndarray:
    """The same values in float16, if that holds each of them."""
    if values.ndim < 2 or values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float16)
    return narrow if np.array_equal(narrow, values) else values


REPEATABLE = ("even", "all")


def check_sampling(sampling: dict[str, Any]) -> None:
    """Whether a SavedModel can choose frames in this way, `{kind, count}`.

    Raises:
        InputError: the frames would depend on where in an index a video stands.
    """
    if sampling["kind"] not in REPEATABLE:
        raise InputError(f"frames.predict.kind is {sampling['kind']}, which is not known of a video alone, so no "
                         f"SavedModel can do it; use {' or '.join(REPEATABLE)}, or --no-saved-model")  # fmt: skip
