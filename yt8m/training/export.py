"""A trained model as a folder: weights, SavedModel and `model.json`; whole or not at all.

The SavedModel takes raw frames and gives top labels with confidences, by TensorFlow alone. Matrices may be stored in
float16. They are cast when the SavedModel is loaded, by the initialiser that every loader runs (Python's, a session's,
a model server's), so that a request finds float32 weights.
"""

import importlib.metadata
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

import yt8m
from yt8m.errors import InputError
from yt8m.loader.order import MAX_FRAMES
from yt8m.models.float16 import can_narrow, round_to_float16
from yt8m.models.frame_sampling import FrameSampling
from yt8m.models.size import measure
from yt8m.models.tagger import AUDIO, RGB
from yt8m.prediction.predict import load_model
from yt8m.prediction.top_k import TOP
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
    if preset["saved_model"]:
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
        if preset["saved_model"]:
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


SIGNATURE = "serving_default"
REPEATABLE = ("even", "all")


def check_sampling(sampling: dict[str, Any]) -> None:
    """Whether a SavedModel can choose frames in this way, `{kind, count}`.

    Raises:
        InputError: the frames would depend on where in an index a video stands.
    """
    if sampling["kind"] not in REPEATABLE:
        raise InputError(f"frames.predict.kind is {sampling['kind']}, which is not known of a video alone, so no "
                         f"SavedModel can do it; use {' or '.join(REPEATABLE)}, or --no-saved-model")  # fmt: skip


def write_saved_model(
    folder: Path, model: keras.Model, *, level: str, sampling: dict[str, Any], dtype: str, unique: str
) -> None:
    """Write a SavedModel with the one signature `serving_default`.

    A frame-level model takes `rgb` uint8 [B, T, 1024], `audio` uint8 [B, T, 128] (any T; the first 300 frames count)
    and `num_frames` int32 [B], how many of the T are real. A video-level one takes `rgb` float32 [B, 1024] and `audio`
    float32 [B, 128]. Both return `labels` int32 [B, K] and `confidences` float32 [B, K], descending; K is 20, or the
    number of classes if that is less.

    Args:
        folder: to write; must not exist.
        model: with its trained weights.
        level: `frame` or `video`.
        sampling: `{kind, count}`, how predictions choose frames.
        dtype: that matrices are stored in, `float32` or `float16` (to which they were rounded).
        unique: tells the weights from those of other models that a process may load.
    """
    served = tf.Module()
    narrow = [weight for weight in model.weights if dtype == "float16" and can_narrow(weight)]
    wide = [(weight, _Widened(weight, unique)) for weight in narrow]
    others = [weight.value for weight in model.weights if not any(weight is one for one in narrow)]
    served.weights = [*others, *(copy.narrow for _, copy in wide)]
    served.wide = [copy for _, copy in wide]
    served.serve = _serving(model, wide, level, sampling)
    tf.saved_model.save(served, str(folder), signatures={SIGNATURE: served.serve})


class _Widened(tf.saved_model.experimental.TrackableResource):
    """The float32 copy of a float16 variable: made on loading, never saved.

    Args:
        weight: whose values are saved in float16.
        unique: makes the copy's name unique in a process.
    """

    def __init__(self, weight: Any, unique: str):
        super().__init__()
        self._name, self.narrow = f"{unique}/{weight.path}", tf.Variable(tf.cast(weight.value, tf.float16))

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=self.narrow.shape, shared_name=self._name)

    def _initialize(self) -> None:
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=tf.cast(self.narrow, tf.float32))

    def read(self) -> Any:
        """The float32 values, once it is initialised."""
        value = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.float32)
        return tf.ensure_shape(value, self.narrow.shape)


def _serving(model: keras.Model, wide: list[tuple[Any, _Widened]], level: str, sampling: dict[str, Any]) -> Any:
    """The function of the signature. It holds the model in its closure, so that no Keras object is saved."""

    def top_labels(inputs: dict[str, Any]) -> dict[str, Any]:
        with keras.StatelessScope(state_mapping=[(weight, copy.read()) for weight, copy in wide]):
            scores = model(inputs, training=False)
        confidences, labels = tf.math.top_k(scores, min(TOP, model.num_classes))
        return {"labels": labels, "confidences": confidences}

    chosen = FrameSampling(**sampling)

    def frame_level(rgb: Any, audio: Any, num_frames: Any) -> dict[str, Any]:
        limit = tf.minimum(tf.shape(rgb)[1], MAX_FRAMES)
        real = tf.clip_by_value(num_frames, 1, limit)
        frames, count = chosen(rgb, real)
        return top_labels({"rgb": frames, "audio": chosen(audio, real)[0], "num_frames": count})

    def video_level(rgb: Any, audio: Any) -> dict[str, Any]:
        ones = tf.ones(tf.shape(rgb)[:1], tf.int32)
        return top_labels({"rgb": rgb[:, None], "audio": audio[:, None], "num_frames": ones})

    if level == "video":
        return tf.function(video_level, input_signature=[_spec(RGB, "rgb"), _spec(AUDIO, "audio")], autograph=False)
    counts = tf.TensorSpec((None,), tf.int32, "num_frames")
    signature = [_frames(RGB, "rgb"), _frames(AUDIO, "audio"), counts]
    return tf.function(frame_level, input_signature=signature, autograph=False)


def _spec(size: int, name: str) -> tf.TensorSpec:
    return tf.TensorSpec((None, size), tf.float32, name)


def _frames(size: int, name: str) -> tf.TensorSpec:
    return tf.TensorSpec((None, None, size), tf.uint8, name)
