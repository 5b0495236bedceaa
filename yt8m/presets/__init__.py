"""Training presets: what model to train, and how, as YAML files; and the recipes of training sets beside them.

A preset is a mapping:

| key | meaning |
|---|---|
| `model` | `name` and settings of `yt8m.models.create` |
| `level` | `frame` or `video`: the records that it trains on |
| `loss` | `name` and settings of `yt8m.models.losses.create` |
| `schedule` | `name` and settings of `yt8m.training.schedules.create` |
| `optimizer` | `name: adam` and its settings; `clipnorm` clips the gradient of each variable by itself |
| `batch_size` | examples a step |
| `epochs` | passes over a phase whose recipe does not say when it ends; 2.5 is two and a half |
| `frames` | `train` and `predict`: how frames are chosen, `{kind: random, contiguous, even or all; count}` |
| `validate_every` | epochs between two validations (0.1 unless told) |
| `validation_videos` | how many videos of the selection half they use, by a hash of the id (50000 unless told) |
| `start_at_label_rates` | biases of the heads start at each label's rate in the training set (false unless told) |
| `batch_norm_momentum` | instead of the models' 0.999, which needs thousands of steps (null unless told) |
| `precision` | of the products: `float32`, or `bfloat16` for all but the widest (float32 unless told) |
| `ema` | share of the old in a moving average of the weights, which is judged and exported (null unless told) |
| `sync_batch_norm` | take batch norm's statistics over all replicas, not on each by itself (false unless told) |
| `engine` | `tensorflow` or `jax`, which computes (what `KERAS_BACKEND` says unless told, and without it tensorflow) |
| `shard_state` | with `jax`: keep large variables and their moments in parts on several devices (false unless told) |
| `distillation` | how a teacher counts: `weight` (the loss has the rest), `temperature`, `over` labels or classes |
| `export_dtype` | `float32` or `float16`, in which the weights of the trained model are written (float32 unless told) |
| `max_model_bytes` | a larger model is refused, before it is trained (2^30 unless told, the challenge's limit) |
| `saved_model` | whether a TensorFlow SavedModel is written too (true unless told; `jax` writes none) |

The last three decide how a trained model is written and nothing of its training: `EXPORT_KEYS`.
"""

import os
from pathlib import Path
from typing import Any

import yaml

from yt8m.errors import InputError
from yt8m.presets.rules import check_preset, defaults
from yt8m.presets.schema import parse_yaml, read_yaml
from yt8m.quiet import engine_of_environment
from yt8m.storage import StrPath

FOLDER = Path(__file__).parent / "training"
EXPORT_KEYS = ("export_dtype", "max_model_bytes", "saved_model")


def preset_names() -> list[str]:
    """The presets that come with the package, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load_preset(name_or_file: StrPath, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """A preset with its defaults filled in, checked.

    Args:
        name_or_file: the name of a preset of the package, or the path of a YAML file.
        overrides: dotted key -> value, e.g. `{"model.clusters": 16}`.

    Returns:
        The mapping described above, and `name`.

    Raises:
        InputError: unknown name, unreadable file, unknown key or wrong value; with what would be right.
    """
    source = os.fspath(name_or_file)
    preset = {**defaults(), **_read(source)}
    for key, value in (overrides or {}).items():
        _override(preset, key, value)
    preset["engine"] = preset["engine"] or engine_of_environment()
    preset["name"] = os.path.basename(source).removesuffix(".yaml").removesuffix(".yml")
    check_preset(preset, f"preset {source}")
    return preset


def wants_saved_model(preset: dict[str, Any]) -> bool:
    """Whether a SavedModel is to be written: TensorFlow writes it, of a model that runs on TensorFlow."""
    return bool(preset["saved_model"]) and preset["engine"] == "tensorflow"


def parse_overrides(settings: list[str]) -> dict[str, Any]:
    """`["model.clusters=16", "batch_size=64"]` -> `{"model.clusters": 16, "batch_size": 64}`; values are YAML.

    Raises:
        InputError: a setting without `=`, or a value that is not YAML.
    """
    overrides = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise InputError(f"--set {setting}: write KEY=VALUE, for example model.clusters=16")
        try:
            overrides[key.strip()] = parse_yaml(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {setting}: '{text}' is not a YAML value") from error
    return overrides


def _read(source: str) -> dict[str, Any]:
    path = source
    if os.sep not in source and not source.endswith((".yaml", ".yml")):
        if source not in preset_names():
            names = ", ".join(preset_names())
            raise InputError(f"there is no preset '{source}'; there are {names}, or name a YAML file")
        path = os.fspath(FOLDER / f"{source}.yaml")
    value = read_yaml(path, "name a preset's YAML file")
    if not isinstance(value, dict):
        raise InputError(f"preset {source}: a mapping of keys is needed; `model: {{name: logistic}}` is one")
    return value


def _override(preset: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    place = preset
    for name in parents:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise InputError(f"--set {dotted}: '{name}' has no settings below it; leave out '.{last}'")
    place[last] = value


def level_problem(level: str, preset: dict[str, Any], override: str = "--set level=") -> str:
    """Why a preset does not fit records of another level, and what would; `override` is how its level is set."""
    if level == "labels":
        return "it was made of label lists alone; index shards with `yt8m index` to train"
    others = [name for name in preset_names() if load_preset(name)["level"] == level]
    choice = f"choose a preset for these ({', '.join(others)})" if others else "choose another preset"
    return (
        f"{level}-level records, but the preset {preset['name']} is for {preset['level']}-level ones; {choice}, "
        f"or try this one with {override}{level}"
    )
