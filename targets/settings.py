"""`settings.yaml`, read and checked: the profiles that say where the pipeline runs and what each step asks for."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from yt8m.checks.thresholds import read_thresholds
from yt8m.errors import InputError
from yt8m.storage import StrPath, require_file

PINNED_PROFILES = ("test", "prod")
KINDS = ("data", "train", "predict")
DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
IMAGE = re.compile(r"[^\s@]+(@sha256:[0-9a-f]{64})?")
CPU = re.compile(r"\d+(\.\d+)?|\d+m")
BYTES = re.compile(r"\d+(\.\d+)?([KMGT]i?)?")
OPERATORS = ("Exists", "Equal")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
SPOT = {
    "gke": ({"cloud.google.com/gke-spot": "true"}, "cloud.google.com/gke-spot=true"),
    "eks": ({"eks.amazonaws.com/capacityType": "SPOT"}, None),
    "karpenter": ({"karpenter.sh/capacity-type": "spot"}, None),
    "aks": ({"kubernetes.azure.com/scalesetpriority": "spot"}, "kubernetes.azure.com/scalesetpriority=spot"),
}
"""By provider: the labels of its spot nodes, and their taint (key=value, NoSchedule) if they have one."""


@dataclass(frozen=True)
class Gpu:
    """GPUs of a step: how many, and what each target calls them."""

    count: int
    kfp: str
    vertex: str


@dataclass(frozen=True)
class Retry:
    """Attempts after the first, and the waits between them in seconds (doubled every time)."""

    attempts: int
    backoff_seconds: int
    backoff_max_seconds: int


@dataclass(frozen=True)
class Resources:
    """What a kind of step asks of the cluster; the quantities are Kubernetes' (`"4"`, `16G`).

    `node_selector` and `tolerations` include those that `spot` (a key of `SPOT`, or None) stands for.
    """

    cpu: str
    memory: str
    timeout_minutes: int
    retry: Retry
    shared_memory: str | None
    gpu: Gpu | None
    node_selector: dict[str, str]
    tolerations: tuple[dict[str, str], ...]
    spot: str | None = None


@dataclass(frozen=True)
class Profile:
    """A named place to run.

    Attributes:
        name: of the profile.
        images: by kind (data, trainer).
        volumes: as (claim, path).
        steps: resources by kind of step (data, train, predict).
        rates: price of an hour by kind of step; empty when none are given.
        thresholds: that data must keep, those of the file that differ from the library's.
    """

    name: str
    images: dict[str, str]
    volumes: tuple[tuple[str, str], ...]
    steps: dict[str, Resources]
    rates: dict[str, float]
    thresholds: dict[str, float]


def load_profile(path: StrPath, name: str) -> Profile:
    """One profile of a settings file; the other profiles are checked as well.

    Raises:
        InputError: no such file or profile, an unknown or missing key, or a wrong value; with the place in the file.
    """
    try:
        text = require_file(path, "name the settings file with --settings").read_text("utf-8", "replace")
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from error
    entries = _Entry(content, str(path)).only("profiles", optional=("thresholds",))
    thresholds = _thresholds(entries["thresholds"]) if "thresholds" in entries else {}
    loaded = {key: _profile(key, entry, thresholds) for key, entry in entries["profiles"].mapping().items()}
    if name not in loaded:
        raise InputError(f"{path}: there is no profile '{name}'; there are {', '.join(loaded)}")
    return loaded[name]


class _Entry:
    """A value of the file together with its place in it."""

    def __init__(self, value: Any, place: str):
        self.value, self.place = value, place

    def fail(self, needed: str) -> InputError:
        return InputError(f"{self.place}: {needed} is needed; it is {self.value!r}")

    def mapping(self) -> dict[str, "_Entry"]:
        if not isinstance(self.value, dict):
            raise self.fail("a mapping")
        return {str(key): _Entry(value, f"{self.place} > {key}") for key, value in self.value.items()}

    def only(self, *required: str, optional: tuple[str, ...] = ()) -> dict[str, "_Entry"]:
        """The entries of a mapping that has these keys and no other."""
        entries = self.mapping()
        for key in required:
            if key not in entries:
                raise InputError(f"{self.place}: '{key}' is missing; it needs {', '.join(required)}")
        for key in entries:
            if key not in (*required, *optional):
                raise InputError(f"{self.place}: there is no key '{key}'; it can have {', '.join(required + optional)}")
        return entries

    def items(self) -> list["_Entry"]:
        if not isinstance(self.value, list):
            raise self.fail("a list")
        return [_Entry(value, f"{self.place}[{number}]") for number, value in enumerate(self.value)]

    def text(self, pattern: re.Pattern[str] = re.compile(r".+"), needed: str = "a text") -> str:
        if isinstance(self.value, bool) or not isinstance(self.value, str | int | float):
            raise self.fail(needed)
        if not pattern.fullmatch(str(self.value)):
            raise self.fail(needed)
        return str(self.value)

    def whole(self, least: int) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < least:
            raise self.fail(f"a whole number from {least}")
        return self.value

    def amount(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not 0 <= self.value < 1e6:
            raise self.fail("an amount from 0")
        return float(self.value)

    def choice(self, valid: tuple[str, ...]) -> str:
        if self.value not in valid:
            raise self.fail(f"one of {', '.join(valid)}")
        return str(self.value)


def _thresholds(entry: _Entry) -> dict[str, float]:
    values = {key: value.value for key, value in entry.mapping().items()}
    read_thresholds(values, entry.place)
    return {key: float(value) for key, value in values.items()}


def _rates(entry: _Entry) -> dict[str, float]:
    return {key: value.amount() for key, value in entry.only(*KINDS).items()}


def _profile(name: str, entry: _Entry, thresholds: dict[str, float]) -> Profile:
    entries = entry.only("images", "volumes", "steps", optional=("rates",))
    return Profile(
        name=name,
        images={key: _image(name, image) for key, image in entries["images"].only("data", "trainer").items()},
        volumes=tuple(_volume(volume) for volume in entries["volumes"].items()),
        steps={key: _resources(step) for key, step in entries["steps"].only(*KINDS).items()},
        rates=_rates(entries["rates"]) if "rates" in entries else {},
        thresholds=thresholds,
    )


def _image(profile: str, entry: _Entry) -> str:
    image = entry.text(IMAGE, "an image name")
    if profile in PINNED_PROFILES and not DIGEST.fullmatch(image):
        raise InputError(f"{entry.place}: {image} names a tag; profile {profile} takes a digest (NAME@sha256:...), "
                         "as a cluster reuses the cached results of an older image under the same tag")  # fmt: skip
    return image


def _volume(entry: _Entry) -> tuple[str, str]:
    entries = entry.only("claim", "path")
    return entries["claim"].text(), entries["path"].text(re.compile(r"/.+"), "an absolute path")


def _resources(entry: _Entry) -> Resources:
    optional = ("shared_memory", "gpu", "node_selector", "tolerations", "spot")
    entries = entry.only("cpu", "memory", "timeout_minutes", "retry", optional=optional)

    def given(key: str, read: Callable[[_Entry], Any], otherwise: Any) -> Any:
        return read(entries[key]) if key in entries else otherwise

    spot = given("spot", _spot, None)
    labels, taint = SPOT[spot] if spot else ({}, None)
    return Resources(
        cpu=entries["cpu"].text(CPU, 'a number of cores such as "4" or 500m'),
        memory=_bytes(entries["memory"]),
        timeout_minutes=entries["timeout_minutes"].whole(1),
        retry=_retry(entries["retry"]),
        shared_memory=given("shared_memory", _bytes, None),
        gpu=given("gpu", _gpu, None),
        node_selector={**given("node_selector", lambda e: {k: v.text() for k, v in e.mapping().items()}, {}), **labels},
        tolerations=given("tolerations", lambda e: tuple(_toleration(item) for item in e.items()), ())
        + ((_taint(taint),) if taint else ()),
        spot=spot,
    )


def _spot(entry: _Entry) -> str | None:
    return None if entry.value is False else entry.choice(("false", *SPOT))


def _taint(text: str) -> dict[str, str]:
    key, value = text.split("=")
    return {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}


def _bytes(entry: _Entry) -> str:
    return entry.text(BYTES, "a quantity of bytes such as 16G or 4Gi")


def _retry(entry: _Entry) -> Retry:
    entries = entry.only("attempts", "backoff_seconds", "backoff_max_seconds")
    retry = Retry(**{key: value.whole(0) for key, value in entries.items()})
    if retry.attempts and retry.backoff_max_seconds < max(retry.backoff_seconds, 1):
        raise entries["backoff_max_seconds"].fail(
            "at least backoff_seconds, and at least 1 (attempts: 0 for no retry),"
        )
    return retry


def _gpu(entry: _Entry) -> Gpu:
    entries = entry.only("count", "kfp", "vertex")
    return Gpu(entries["count"].whole(1), entries["kfp"].text(), entries["vertex"].text(re.compile(r"[A-Z0-9_]+")))


def _toleration(entry: _Entry) -> dict[str, str]:
    entries = entry.only("key", "operator", "effect", optional=("value",))
    toleration = {key: value.text() for key, value in entries.items()}
    entries["operator"].choice(OPERATORS)
    entries["effect"].choice(EFFECTS)
    if (toleration["operator"] == "Equal") != ("value" in toleration):
        raise entry.fail("a value with operator Equal, and none with Exists,")
    return toleration
