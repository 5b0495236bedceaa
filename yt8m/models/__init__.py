"""Models by name: frames of a video to the probability of each label."""

from typing import Any

import keras

from yt8m.errors import InputError
from yt8m.models.clustered import DBoFTagger, NetFVTagger, NetVLADTagger
from yt8m.models.linear import LogisticTagger, MoETagger
from yt8m.models.mlp import MLPTagger
from yt8m.models.next_vlad import NeXtVLADMixture, NeXtVLADTagger
from yt8m.models.seeds import seeded
from yt8m.models.settings import parse_settings
from yt8m.models.tagger import Tagger

MODELS: dict[str, type[Tagger]] = {
    "logistic": LogisticTagger,
    "moe": MoETagger,
    "mlp": MLPTagger,
    "dbof": DBoFTagger,
    "netvlad": NetVLADTagger,
    "netfv": NetFVTagger,
    "nextvlad": NeXtVLADTagger,
    "nextvlad-mixture": NeXtVLADMixture,
}
LEVELS = ("frame", "video")


def names() -> list[str]:
    """The names that `create` knows."""
    return list(MODELS)


def create(
    name: str, num_classes: int, *, level: str = "frame", dtype: str | None = None, seed: int = 0, **settings: Any
) -> Tagger:
    """A built model with fresh weights.

    Args:
        name: one of `names()`.
        num_classes: labels V.
        level: `frame` or `video`, the records it is meant for.
        dtype: a Keras policy such as `mixed_bfloat16`; float32 by default.
        seed: of the weights and of dropout; it decides them, whatever else runs in the process.
        **settings: fields of the model's `Settings`.

    Returns:
        A model of `{"rgb": [B, T, 1024], "audio": [B, T, 128], "num_frames": [B]}` -> float32 `[B, V]`.

    Raises:
        InputError: an unknown name, level, setting or dtype, or a value out of range.
    """
    if name not in MODELS:
        raise InputError(f"there is no model '{name}'; there are {', '.join(MODELS)}")
    if level not in LEVELS:
        raise InputError(f"there is no level '{level}'; there are {', '.join(LEVELS)}")
    if type(num_classes) is not int or num_classes < 1:
        raise InputError(f"{name}: the number of classes must be a whole number from 1, got {num_classes!r}")
    _pin_configuration()
    kind = MODELS[name]
    parsed, policy = parse_settings(kind.Settings, settings, name), _policy(dtype)

    def make() -> Tagger:
        model = kind(num_classes, parsed, level=level, name=name.replace("-", "_"), dtype=policy)
        model.build()
        return model

    return seeded(make, seed)


def _policy(dtype: str | None) -> keras.DTypePolicy:
    try:
        return keras.DTypePolicy(dtype or "float32")
    except (TypeError, ValueError):
        raise InputError(f"there is no dtype '{dtype}'; use float32, mixed_bfloat16 or mixed_float16") from None


def _pin_configuration() -> None:
    """Undo what a user's keras.json, or a program around this one, has configured: it would change every prediction."""
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
