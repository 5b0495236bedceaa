"""Learning rates as functions of the examples seen, by name; Keras asks for them by optimizer step."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import keras
from keras import ops

from yt8m.errors import InputError
from yt8m.models.numerics import Tensor
from yt8m.models.settings import parse_settings, require


@dataclass(frozen=True, kw_only=True)
class StaircaseSettings:
    """`lr = base * decay ^ floor(examples / decay_examples)`.

    Attributes:
        base: rate at the start.
        decay: factor of one stair.
        decay_examples: examples of one stair: a number, `"0.1 epoch"` or `"0.1 total"`.
        warmup: examples over which the rate rises from zero, written likewise.
    """

    base: float = 0.01
    decay: float = 0.8
    decay_examples: str | float = "0.1 epoch"
    warmup: str | float = 0.0

    def __post_init__(self) -> None:
        require(self.base > 0, f"base must be above 0, got {self.base}")
        require(0 < self.decay <= 1, f"decay must be above 0 and at most 1, got {self.decay}")


@dataclass(frozen=True, kw_only=True)
class BaselineSettings(StaircaseSettings):
    """The staircase of the starter code: 0.001, times 0.95 each epoch."""

    base: float = 0.001
    decay: float = 0.95
    decay_examples: str | float = "1 epoch"


@dataclass(frozen=True, kw_only=True)
class PaperSettings(StaircaseSettings):
    """The staircase that the paper found better: 0.01, times 0.8 ten times an epoch."""


@dataclass(frozen=True, kw_only=True)
class CosineSettings:
    """`lr = base * (final + (1 - final) * (1 + cos(pi * progress)) / 2)`, progress from the end of the warm-up.

    Attributes:
        base: the highest rate.
        final: share of it that is left at the end.
        warmup: examples over which the rate rises from zero: a number, `"0.1 epoch"` or `"0.1 total"`.
    """

    base: float = 0.001
    final: float = 0.0
    warmup: str | float = "0.1 total"

    def __post_init__(self) -> None:
        require(self.base > 0, f"base must be above 0, got {self.base}")
        require(0 <= self.final <= 1, f"final must be from 0 to 1, got {self.final}")


@keras.saving.register_keras_serializable("yt8m")
class Staircase(keras.optimizers.schedules.LearningRateSchedule):
    """A staircase over optimizer steps; stairs are found in whole numbers, so none comes a step early or late.

    Args:
        base: rate at the start.
        decay: factor of one stair.
        stairs: stairs a step, as `[numerator, denominator]`.
        warmup_steps: steps over which the rate rises linearly.

    Source: the reference training of YouTube-8M, https://arxiv.org/abs/1609.08675, section 4.2
    """

    def __init__(self, base: float, decay: float, stairs: tuple[int, int], warmup_steps: float = 0.0) -> None:
        self.base, self.decay, self.stairs, self.warmup_steps = base, decay, tuple(stairs), warmup_steps

    def __call__(self, step: Tensor) -> Tensor:
        numerator, denominator = self.stairs
        whole = "int32" if keras.backend.backend() == "jax" else "int64"  # JAX has no 64-bit numbers by default
        stair = ops.floor_divide(ops.cast(step, whole) * numerator, denominator)
        rate = self.base * ops.exp(ops.cast(stair, "float32") * math.log(self.decay))
        return rate * _warmup(step, self.warmup_steps)

    def get_config(self) -> dict[str, Any]:
        own = {"base": self.base, "decay": self.decay, "stairs": list(self.stairs)}
        return {**own, "warmup_steps": self.warmup_steps}


@keras.saving.register_keras_serializable("yt8m")
class Cosine(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine over optimizer steps, after a linear warm-up.

    Args:
        base: the highest rate.
        final: share of it that is left at the end.
        total_steps: when it ends; the rate stays there.
        warmup_steps: steps over which the rate rises linearly.

    Source: Loshchilov and Hutter 2017, equation 5, https://arxiv.org/abs/1608.03983
    """

    def __init__(self, base: float, final: float, total_steps: float, warmup_steps: float = 0.0) -> None:
        self.base, self.final, self.total_steps, self.warmup_steps = base, final, total_steps, warmup_steps

    def __call__(self, step: Tensor) -> Tensor:
        span = max(self.total_steps - self.warmup_steps, 1e-9)
        progress = ops.clip((ops.cast(step, "float32") - self.warmup_steps) / span, 0.0, 1.0)
        share = self.final + (1.0 - self.final) * 0.5 * (1.0 + ops.cos(math.pi * progress))
        return self.base * share * _warmup(step, self.warmup_steps)

    def get_config(self) -> dict[str, Any]:
        own = {"base": self.base, "final": self.final, "total_steps": self.total_steps}
        return {**own, "warmup_steps": self.warmup_steps}


SETTINGS: dict[str, type[Any]] = {
    "staircase": StaircaseSettings,
    "baseline": BaselineSettings,
    "paper": PaperSettings,
    "cosine": CosineSettings,
}


def names() -> list[str]:
    """The names that `create` knows; `baseline` and `paper` are the paper's two staircases."""
    return list(SETTINGS)


def create(
    name: str, *, batch_size: int, epoch_examples: int, total_examples: float, **settings: Any
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A learning rate for an optimizer.

    Args:
        name: one of `names()`.
        batch_size: examples a step, on all replicas together.
        epoch_examples: examples of one epoch.
        total_examples: examples of the whole training, where a cosine ends.
        **settings: fields of the schedule's settings.

    Returns:
        A function of the optimizer's step (from 0) to the rate.

    Raises:
        InputError: an unknown name or setting, or a value out of range.
    """
    if name not in SETTINGS:
        raise InputError(f"there is no schedule '{name}'; there are {', '.join(SETTINGS)}")
    parsed = parse_settings(SETTINGS[name], settings, name)
    sizes = {"epoch": Fraction(epoch_examples), "total": Fraction(total_examples)}
    warmup_steps = float(_examples(parsed.warmup, sizes, f"{name}: warmup") / batch_size)
    if isinstance(parsed, CosineSettings):
        return Cosine(parsed.base, parsed.final, float(Fraction(total_examples) / batch_size), warmup_steps)
    decay_examples = _examples(parsed.decay_examples, sizes, f"{name}: decay_examples")
    if not decay_examples:
        raise InputError(f"{name}: decay_examples must be above 0, got {parsed.decay_examples!r}")
    stairs = Fraction(batch_size) / decay_examples
    if keras.backend.backend() == "jax" and total_examples / batch_size * stairs.numerator >= 2**31:
        raise InputError(f"{name}: decay_examples {parsed.decay_examples!r} is {1 / stairs} steps, in which JAX cannot "
                         "count to the end of this training; choose a round number of examples")  # fmt: skip
    return Staircase(parsed.base, parsed.decay, (stairs.numerator, stairs.denominator), warmup_steps)


def _examples(value: str | float, sizes: dict[str, Fraction], owner: str) -> Fraction:
    """Examples of a number, `"0.1 epoch"` or `"0.1 total"`, exactly."""
    number, _, unit = str(value).partition(" ")
    try:
        examples = Fraction(number) * (sizes[unit] if unit else 1)
    except (ValueError, KeyError, ZeroDivisionError):
        raise InputError(f"{owner}: {value!r} is neither a number nor like '0.1 epoch' or '0.1 total'") from None
    if examples < 0:
        raise InputError(f"{owner}: must be at least 0, got {value!r}")
    return examples


def _warmup(step: Tensor, warmup_steps: float) -> Tensor:
    """Rises to one over `warmup_steps`; the first step already has a share of it."""
    if not warmup_steps:
        return 1.0
    return ops.minimum((ops.cast(step, "float32") + 1.0) / warmup_steps, 1.0)
