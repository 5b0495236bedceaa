"""What a training preset may say; each wrong entry gets one line that names the right ones."""

from collections.abc import Iterable
from typing import Any

from yt8m.errors import InputError

REQUIRED = ("model", "level", "loss", "schedule", "optimizer", "batch_size", "epochs")
OPTIONAL = (
    "frames", "validate_every", "validation_videos", "start_at_label_rates", "batch_norm_momentum", "precision", "ema",
    "sync_batch_norm", "distillation", "export_dtype", "max_model_bytes", "saved_model",
)  # fmt: skip
EXPORT_DTYPES = ("float32", "float16")
LEVELS = ("frame", "video")
PRECISIONS = ("float32", "bfloat16")
DISTILLED = ("labels", "classes")
SAMPLINGS = ("random", "contiguous", "even", "all")
OPTIMIZERS = {"adam": ("epsilon", "beta_1", "beta_2", "clipnorm", "weight_decay")}
MOST_FRAMES = 300


def check_preset(preset: dict[str, Any], where: str) -> None:
    """Raise InputError at the first wrong entry.

    Names and settings of the model, the loss and the schedule are judged by those who make them.
    """
    _known(preset, (*REQUIRED, *OPTIONAL, "name"), where)
    for key in REQUIRED:
        if key not in preset:
            raise InputError(f"{where}: '{key}' is missing; a preset needs {', '.join(REQUIRED)}")
    for part in ("model", "loss", "schedule", "optimizer"):
        _named(preset[part], part, where)
    _one_of(preset["level"], LEVELS, "level", where)
    _check_optimizer(preset["optimizer"], where)
    _check_frames(preset["frames"], where)
    for key in ("batch_size", "validation_videos", "max_model_bytes"):
        _number(preset[key], key, where, whole=True)
    for key in ("epochs", "validate_every"):
        _number(preset[key], key, where)
    for key in ("start_at_label_rates", "sync_batch_norm", "saved_model"):
        if not isinstance(preset[key], bool):
            raise InputError(f"{where}: '{key}' must be true or false; it is {preset[key]!r}")
    for key in ("batch_norm_momentum", "ema"):
        _share_or_null(preset[key], key, where)
    _one_of(preset["export_dtype"], EXPORT_DTYPES, "export_dtype", where)
    _one_of(preset["precision"], PRECISIONS, "precision", where)
    _check_distillation(preset["distillation"], where)


def _named(value: Any, part: str, where: str) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InputError(f"{where}: '{part}' needs a name and settings, such as {{name: ...}}; it is {value!r}")


def _check_optimizer(optimizer: dict[str, Any], where: str) -> None:
    _one_of(optimizer["name"], OPTIMIZERS, "optimizer.name", where)
    _known(optimizer, ("name", *OPTIMIZERS[optimizer["name"]]), f"{where}, optimizer")
    for key, value in optimizer.items():
        if key != "name" and value is not None:
            _number(value, f"optimizer.{key}", where)


def _check_frames(frames: Any, where: str) -> None:
    if not isinstance(frames, dict) or set(frames) != {"train", "predict"}:
        raise InputError(f"{where}: 'frames' needs the keys train and predict; it is {frames!r}")
    for use, sampling in frames.items():
        name = f"frames.{use}"
        if not isinstance(sampling, dict) or set(sampling) != {"kind", "count"}:
            raise InputError(f"{where}: '{name}' needs the keys kind and count; it is {sampling!r}")
        _one_of(sampling["kind"], SAMPLINGS, f"{name}.kind", where)
        _number(sampling["count"], f"{name}.count", where, whole=True)
        if sampling["count"] > MOST_FRAMES:
            raise InputError(f"{where}: '{name}.count' is {sampling['count']}, at most {MOST_FRAMES} are possible")
    if frames["predict"]["kind"] == "random":
        raise InputError(f"{where}: 'frames.predict.kind' is random, predictions must repeat; use even or all")


def _check_distillation(distillation: Any, where: str) -> None:
    keys = {"weight", "temperature", "over"}
    if not isinstance(distillation, dict) or set(distillation) != keys:
        raise InputError(f"{where}: 'distillation' needs the keys {', '.join(sorted(keys))}; it is {distillation!r}")
    for key in ("weight", "temperature"):
        _number(distillation[key], f"distillation.{key}", where)
    if distillation["weight"] > 1:
        raise InputError(f"{where}: 'distillation.weight' is {distillation['weight']}, at most 1 is possible")
    _one_of(distillation["over"], DISTILLED, "distillation.over", where)


def _share_or_null(value: Any, key: str, where: str) -> None:
    if value is not None and not (isinstance(value, float) and 0 <= value < 1):
        raise InputError(f"{where}: '{key}' must be from 0 to below 1, or null; it is {value!r}")


def _number(value: Any, key: str, where: str, whole: bool = False) -> None:
    is_number = isinstance(value, int) or (isinstance(value, float) and not whole)
    if isinstance(value, bool) or not is_number or not 0 < value < float("inf"):
        kind = "whole number" if whole else "number"
        raise InputError(f"{where}: '{key}' must be a positive {kind}; it is {value!r}")


def _one_of(value: Any, valid: Iterable[str], key: str, where: str) -> None:
    if value not in valid:
        raise InputError(f"{where}: '{key}' is {value!r}; it can be {', '.join(valid)}")


def _known(mapping: dict[str, Any], valid: Iterable[str], where: str) -> None:
    for key in mapping:
        if key not in valid:
            raise InputError(f"{where}: there is no key '{key}'; there are {', '.join(sorted(valid))}")
