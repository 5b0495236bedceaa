"""What a training preset may say; each wrong entry gets one line that says what is needed."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from yt8m.presets.schema import Schema, needs, read_as

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), needs("a positive number")]
PositiveWhole = Annotated[int, Field(gt=0), needs("a positive whole number")]
Share = Annotated[float, Field(ge=0, lt=1), needs("a number from 0 to below 1, or null,")]


class Named(Schema):
    """A model, a loss or a schedule; whoever makes it judges its settings."""

    model_config = ConfigDict(extra="allow")
    name: str


Part = Annotated[Named, needs("a name and settings, such as {name: ...},")]


class Optimizer(Schema):
    """Adam."""

    name: Literal["adam"]
    epsilon: Positive | None = None
    beta_1: Positive | None = None
    beta_2: Positive | None = None
    clipnorm: Positive | None = None
    weight_decay: Positive | None = None


class Sampling(Schema):
    """How frames are chosen."""

    kind: Literal["random", "contiguous", "even", "all"]
    count: Annotated[int, Field(ge=1, le=300), needs("a positive whole number up to 300")]


EVERY_FRAME = Sampling(kind="all", count=300)


class Frames(Schema):
    """How frames are chosen in training, and in predictions."""

    train: Sampling
    predict: Sampling

    @field_validator("predict")
    @classmethod
    def _repeats(cls, value: Sampling) -> Sampling:
        if value.kind == "random":
            raise ValueError("its kind is random, but predictions must repeat; use even or all")
        return value


class Distillation(Schema):
    """How a teacher counts."""

    weight: Annotated[float, Field(gt=0, le=1), needs("a positive number up to 1")]
    temperature: Positive
    over: Literal["labels", "classes"]


class Preset(Schema):
    """See `yt8m.presets`."""

    model: Part
    level: Literal["frame", "video"]
    loss: Part
    schedule: Part
    optimizer: Optimizer
    batch_size: PositiveWhole
    epochs: Positive
    frames: Frames = Frames(train=EVERY_FRAME, predict=EVERY_FRAME)
    validate_every: Positive = 0.1
    validation_videos: PositiveWhole = 50_000
    start_at_label_rates: bool = False
    batch_norm_momentum: Share | None = None
    export_dtype: Literal["float32", "float16"] = "float32"
    max_model_bytes: PositiveWhole = 2**30
    saved_model: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    ema: Share | None = None
    sync_batch_norm: bool = False
    engine: Annotated[Literal["tensorflow", "jax"] | None, needs("one of tensorflow, jax")] = None
    shard_state: bool = False
    distillation: Distillation = Distillation(weight=0.5, temperature=1.0, over="labels")


def defaults() -> dict[str, Any]:
    """What a preset need not say."""
    return Preset.model_construct().model_dump()


def check_preset(preset: dict[str, Any], where: str) -> None:
    """Raise InputError at the first wrong entry; its `name` is whose it is, and no entry."""
    read_as(Preset, {key: value for key, value in preset.items() if key != "name"}, where, ".")
