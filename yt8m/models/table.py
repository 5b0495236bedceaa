"""The sizes and costs of all presets, and of the models that publications report."""

from typing import Any

from yt8m.errors import InputError
from yt8m.models.size import MAX_MODEL_BYTES, measure
from yt8m.presets import load_preset, preset_names
from yt8m.vocabulary import NUM_CLASSES

FRAMES = 300
_NETVLAD = {"name": "netvlad", "clusters": 192, "hidden": 1200, "relu": True, "gating": False}
_NETFV = {"name": "netfv", "clusters": 120, "hidden": 1024, "relu": True, "gating": False}
PUBLISHED: dict[str, dict[str, Any]] = {
    "NetVLAD 192/1200, ReLU, MoE-2": _NETVLAD,
    "NetVLAD 192/1200, ReLU, MoE-1": {**_NETVLAD, "mixtures": 1},
    "NetVLAD 192/1200, ReLU, logistic": {**_NETVLAD, "head": "logistic"},
    "NetVLAD 192/1200, gated": {**_NETVLAD, "relu": False, "gating": True, "probability_gating": True},
    "NetFV 120/1024 coupled, ReLU, MoE-2": _NETFV,
    "NetFV 120/1024 free, gated": {
        **_NETFV, "coupling": None, "relu": False, "gating": True, "probability_gating": True,
    },
    "Soft DBoF 4096/1024, gated": {"name": "dbof", "clusters": 4096, "hidden": 1024, "probability_gating": True},
    "NeXtVLAD 128/2048, 8 groups": {"name": "nextvlad"},
    "3 NeXtVLAD 112/2048, distilled": {"name": "nextvlad-mixture"},
}  # fmt: skip
"""Models with the sizes that publications report; gated means both gatings."""


def model_table(num_classes: int = NUM_CLASSES) -> dict[str, Any]:
    """A row for each preset and each published size.

    Args:
        num_classes: labels of the models.

    Returns:
        `models`: a list of `{name, preset, architecture, settings, level, frames, parameters, megabytes: {float32,
        float16}, under_limit: {float32, float16}, flops}`, and `num_classes`, `limit_bytes`. A megabyte is 1e6 bytes;
        `flops` counts multiplications and additions of the matrix products of one video with `frames` frames.

    Raises:
        InputError: no classes, or a preset that does not fit the models.
    """
    if num_classes < 1:
        raise InputError(f"the number of classes must be at least 1, got {num_classes}")
    rows = [_preset_row(name, num_classes) for name in preset_names()]
    rows += [_row(name, model, "frame", FRAMES, num_classes, False) for name, model in PUBLISHED.items()]
    return {"models": rows, "num_classes": num_classes, "limit_bytes": MAX_MODEL_BYTES}


def _preset_row(name: str, num_classes: int) -> dict[str, Any]:
    preset = load_preset(name)
    frames = 1 if preset["level"] == "video" else preset["frames"]["predict"]["count"]
    return _row(name, preset["model"], preset["level"], frames, num_classes, True)


def _row(
    name: str, model: dict[str, Any], level: str, frames: int, num_classes: int, is_preset: bool
) -> dict[str, Any]:
    settings = {key: value for key, value in model.items() if key != "name"}
    size = measure(model["name"], num_classes, frames, level=level, **settings)
    bytes_of = {dtype: size.bytes(dtype) for dtype in ("float32", "float16")}
    return {
        "name": name,
        "preset": is_preset,
        "architecture": model["name"],
        "settings": settings,
        "level": level,
        "frames": frames,
        "parameters": size.parameters,
        "megabytes": {dtype: round(count / 1e6, 1) for dtype, count in bytes_of.items()},
        "under_limit": {dtype: count < MAX_MODEL_BYTES for dtype, count in bytes_of.items()},
        "flops": size.flops,
    }
