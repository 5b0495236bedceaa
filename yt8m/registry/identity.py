"""What decides a trained model, said in one place.

Whoever keeps a model, looks for one or goes on with a training asks `model_identity`: the output folder, the
checkpoint, the work root, the paper's trainings. Two trainings of one identity give equal weights on one kind of
machine, so what one of them left serves the other; whatever can change a weight is in it, and nothing else is.
"""

import importlib.metadata
from typing import Any

from yt8m.code_version import code_version
from yt8m.presets import EXPORT_KEYS
from yt8m.storage import is_remote

DECISIVE = ("training", "quiet")
"""The code that makes a model, and what it pins of the environment."""
DELIVERY = frozenset({
    "artifacts", "code_version", "errors", "presets", "progress", "registry", "storage", "vocabulary",
    "models.devices",
    "loader.buffers", "loader.prefetch", "loader.remote", "loader.scratch", "loader.shards", "loader.staging",
    "data.records.tfrecord", "data.records.video_index",
    "prediction.partial_results", "prediction.predict", "prediction.ranks", "prediction.table",
    "training.checkpoint", "training.export", "training.interruption", "training.reporter", "training.train",
    "training.saved_model", "training.training_page", "training.work_root",
})  # fmt: skip
"""Modules (and packages) that bring bytes, keep them, show them or say what is wrong, and choose no number. What comes
into `training` and is not named here counts."""
ENGINES = {"tensorflow": (("tensorflow", "tensorflow-cpu"),), "jax": (("jax",), ("jaxlib",))}
"""The libraries of an engine, each with the names that its distributions have."""


def model_identity(
    preset: dict[str, Any],
    *,
    training_set: str,
    validation: str,
    num_classes: int,
    vocabulary: str | None,
    seed: int,
    export: str = "best",
    initial: str | None = None,
    teacher: str | None = None,
    window_bytes: int | None = None,
    libraries: dict[str, str] | None = None,
) -> dict[str, Any]:
    """All that decides a trained model, as JSON.

    Args:
        preset: resolved.
        training_set, validation: fingerprints of the training set and of the validation index.
        num_classes: labels V.
        vocabulary: fingerprint of the content of the vocabulary; None without one.
        seed: of weights, order, frame choice and dropout.
        export: the `best` weights by validation GAP, or the `last` ones.
        initial: fingerprint of the model whose weights it starts from.
        teacher: fingerprint of the model or predictions that it learns from.
        window_bytes: of the shards that are shuffled together; see `window_of`.
        libraries: their versions; those that are installed here by default.
    """
    return {
        "training_set": training_set,
        "validation": validation,
        "preset": decisive_preset(preset),
        "num_classes": num_classes,
        "seed": seed,
        "vocabulary": vocabulary,
        "export": export,
        "initial": initial,
        "teacher": teacher,
        "window_bytes": window_bytes,
        "code": training_code(preset["engine"]),
        "libraries": installed_libraries(preset["engine"]) if libraries is None else libraries,
    }


def decisive_preset(preset: dict[str, Any]) -> dict[str, Any]:
    """A resolved preset without its name, and without how the model is written."""
    return {key: value for key, value in preset.items() if key not in (*EXPORT_KEYS, "name")}


def written_as(preset: dict[str, Any]) -> dict[str, Any]:
    """What of a resolved preset decides the files of the trained model beside its identity."""
    return {key: preset[key] for key in ("export_dtype", "saved_model")}


def window_of(source: str, window_bytes: int) -> int | None:
    """The window of a training's order: shards on gs:// are shuffled window by window, others all together (None)."""
    return window_bytes if is_remote(source) else None


def training_code(engine: str) -> str:
    """Fingerprint of the code that decides a model which an engine trains."""
    return code_version(*DECISIVE, without=not_counted(engine))


def not_counted(engine: str) -> frozenset[str]:
    """The modules that decide nothing of what an engine trains: `DELIVERY`, and the other engines."""
    return DELIVERY | {f"training.engines.{other}" for other in ENGINES if other != engine}


def installed_libraries(engine: str) -> dict[str, str]:
    """The versions of the libraries that compute by an engine; of one that is not installed, `none`."""
    return {names[0]: _installed(*names) for names in (("keras",), ("numpy",), *ENGINES[engine])}


def _installed(*names: str) -> str:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "none"
