"""`settings.yaml`, read and checked: the profiles that say where the pipeline runs and what each step asks for."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from yt8m.checks.thresholds import read_thresholds
from yt8m.errors import InputError
from yt8m.presets.schema import Amount, Schema, Text, Whole, exactly, matches, needs, read_as, read_yaml
from yt8m.storage import StrPath

PINNED_PROFILES = ("test", "prod")
KINDS = ("data", "train", "predict")
DIGEST = "@sha256:"
SPOT = {
    "gke": ({"cloud.google.com/gke-spot": "true"}, {"key": "cloud.google.com/gke-spot", "value": "true"}),
    "eks": ({"eks.amazonaws.com/capacityType": "SPOT"}, None),
    "karpenter": ({"karpenter.sh/capacity-type": "spot"}, None),
    "aks": (
        {"kubernetes.azure.com/scalesetpriority": "spot"},
        {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot"},
    ),
}
"""By provider: the labels of its spot nodes, and their taint (NoSchedule) if they have one."""

Image = Annotated[str, matches(r"[^\s@]+(@sha256:[0-9a-f]{64})?", "an image name")]
Cores = Annotated[str, matches(r"\d+(\.\d+)?|\d+m", 'a number of cores such as "4" or 500m')]
Bytes = Annotated[str, matches(r"\d+(\.\d+)?([KMGT]i?)?", "a quantity of bytes such as 16G or 4Gi")]
FromZero = Annotated[int, Field(ge=0), needs("a whole number from 0")]


class Gpu(Schema):
    """GPUs of a step: how many, and what each target calls them."""

    count: Whole
    kfp: Text
    vertex: Annotated[str, matches("[A-Z0-9_]+")]


class Retry(Schema):
    """Attempts after the first, and the waits between them in seconds (doubled every time)."""

    attempts: FromZero
    backoff_seconds: FromZero
    backoff_max_seconds: FromZero

    @field_validator("backoff_max_seconds")
    @classmethod
    def _holds_the_first(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("attempts") and value < max(info.data.get("backoff_seconds", 0), 1):
            raise ValueError("at least backoff_seconds, and at least 1 (attempts: 0 for no retry), is needed; it is "
                             f"{value}")  # fmt: skip
        return value


class Toleration(Schema):
    """Of a taint, as Kubernetes has it."""

    key: Text
    operator: Literal["Exists", "Equal"]
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    value: Text | None = None

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError("a value with operator Equal, and none with Exists, is needed; it is "
                             f"{self.model_dump(exclude_none=True)}")  # fmt: skip
        return self


class Volume(Schema):
    """A claim, and where steps have it."""

    claim: Text
    path: Annotated[str, matches("/.+", "an absolute path")]


class Resources(Schema):
    """What a kind of step asks of the cluster; the quantities are Kubernetes' (`"4"`, `16G`).

    `node_selector` and `tolerations` include those that `spot` (a key of `SPOT`, or None) stands for.
    """

    cpu: Cores
    memory: Bytes
    timeout_minutes: Whole
    retry: Retry
    shared_memory: Bytes | None = None
    gpu: Gpu | None = None
    node_selector: dict[str, Text] = Field({})
    tolerations: list[Toleration] = Field([])
    spot: Annotated[
        Literal["gke", "eks", "karpenter", "aks"] | None, needs("one of false, gke, eks, karpenter, aks")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _with_what_spot_stands_for(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "spot" not in value:
            return value
        if value["spot"] in (False, "false"):
            return {**value, "spot": None}
        labels, taint = SPOT.get(value["spot"], ({}, None)) if isinstance(value["spot"], str) else ({}, None)
        taints = [{**taint, "operator": "Equal", "effect": "NoSchedule"}] if taint else []
        selector, tolerations = value.get("node_selector", {}), value.get("tolerations", [])
        if not isinstance(selector, dict) or not isinstance(tolerations, list):
            return value
        return {**value, "node_selector": {**selector, **labels}, "tolerations": [*tolerations, *taints]}


class _Profile(Schema):
    images: Annotated[dict[str, Image], exactly("data", "trainer")]
    engine: Annotated[Literal["tensorflow", "jax"] | None, needs("one of tensorflow, jax")] = None
    volumes: list[Volume]
    steps: Annotated[dict[str, Resources], exactly(*KINDS)]
    rates: Annotated[dict[str, Amount], exactly(*KINDS)] = Field({})


class _File(Schema):
    profiles: dict[str, _Profile]
    thresholds: dict[str, Any] = Field({})


@dataclass(frozen=True)
class Profile:
    """A named place to run.

    Attributes:
        name: of the profile.
        images: by kind (data, trainer).
        engine: that trains and predicts; None for that of the trainer image.
        volumes: that steps mount.
        steps: resources by kind of step (data, train, predict).
        rates: price of an hour by kind of step; empty when none are given.
        thresholds: that data must keep, those of the file that differ from the library's.
    """

    name: str
    images: dict[str, str]
    engine: str | None
    volumes: list[Volume]
    steps: dict[str, Resources]
    rates: dict[str, float]
    thresholds: dict[str, float]


def load_profile(path: StrPath, name: str) -> Profile:
    """One profile of a settings file; the other profiles are checked as well.

    Raises:
        InputError: no such file or profile, an unknown or missing key, or a wrong value; with the place in the file.
    """
    content = read_yaml(path, "name the settings file with --settings")
    file = read_as(_File, content, str(path))
    read_thresholds(file.thresholds, f"{path} > thresholds")
    for pinned in PINNED_PROFILES:
        for key, image in file.profiles[pinned].images.items() if pinned in file.profiles else ():
            if DIGEST not in image:
                raise InputError(
                    f"{path} > profiles > {pinned} > images > {key}: {image} names a tag; profile {pinned} takes a "
                    "digest (NAME@sha256:...), as a cluster reuses the cached results of an older image under the same "
                    "tag"
                )
    if name not in file.profiles:
        raise InputError(f"{path}: there is no profile '{name}'; there are {', '.join(file.profiles)}")
    thresholds = {key: float(value) for key, value in file.thresholds.items()}
    return Profile(name, **dict(file.profiles[name]), thresholds=thresholds)
