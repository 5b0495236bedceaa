"""Parameters of a run: read from text, and checked against the compiled pipeline before anything is sent.

The clients and the services pass a wrong type on, and a run then fails, or does something else, an hour later.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from yt8m.checks.thresholds import read_thresholds
from yt8m.data.rebalance.recipe import load_recipe, recipe_names
from yt8m.errors import InputError
from yt8m.presets.schema import parse_yaml, read_yaml
from yt8m.promotion import Thresholds, VertexTarget
from yt8m.promotion.vertex import check_publishable
from yt8m.registry.candidates import check_candidates
from yt8m.runs.changes import registry_of
from yt8m.runs.webhook import check_address
from yt8m.seeds import check_seed
from yt8m.storage import StrPath, check_bucket, is_remote
from yt8m.training.work_root import STARTS

MADE_BY_COMPILING = ("code_version",)
NEEDED_LOCATIONS = ("train_source", "validation_source", "test_source", "work_root")
SECRETS = ("webhook",)
LOCATIONS = ("train_source", "validation_source", "test_source", "work_root", "registry", "vocabulary", "plan")
TYPES: dict[str, tuple[Any, str]] = {
    "STRING": (str, "a text"),
    "NUMBER_INTEGER": (int, "a whole number"),
    "NUMBER_DOUBLE": (FiniteFloat, "a number"),
    "BOOLEAN": (bool, "true or false"),
    "LIST": (list, "a list, such as [1, 2]"),
    "STRUCT": (dict[str, Any], "a mapping, such as {key: value}"),
}
"""By Kubeflow's name of a type: what Python has for it, and what it is in words."""


def read_pipeline(package: Path) -> dict[str, Any]:
    """The first document of a compiled file: the pipeline's specification."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with package.open(encoding="utf-8") as file:
        document: dict[str, Any] = next(iter(yaml.load_all(file, loader)))
    return document


def declared(pipeline: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> declaration (`parameterType`, `defaultValue`, `description`) of the parameters of a compiled pipeline."""
    parameters: dict[str, dict[str, Any]] = pipeline["root"]["inputDefinitions"]["parameters"]
    return parameters


def parse_assignments(texts: list[str], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`["seed=3", "candidates=[...]"]` -> values, read by the types of the parameters; texts are taken as they are.

    Raises:
        InputError: no `=`, an unknown name, the same name twice, or a value of another type.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set-parameter {text.partition('://')[0]}: write NAME=VALUE, such as seed=3")
        _require_known(name, known)
        if name in values:
            raise InputError(f"--set-parameter {name}: it is given twice; leave one out")
        values[name] = value if known[name]["parameterType"] == "STRING" else _parse(name, value)
    return check_types(values, known, "--set-parameter")


def read_parameters(path: StrPath, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Values from a YAML file that maps names to them.

    Raises:
        InputError: no such file, no mapping, an unknown name, or a value of another type.
    """
    values = read_yaml(path, "name a YAML file of parameters") or {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: a mapping of parameters is needed, such as {{seed: 3}}")
    for name in values:
        _require_known(str(name), known)
    return check_types(values, known, str(path))


def check_types(values: dict[str, Any], known: dict[str, dict[str, Any]], where: str) -> dict[str, Any]:
    """The values, each of the type that the pipeline declares; whole numbers where fractions are asked for are fine.

    Raises:
        InputError: a value of another type.
    """
    checked = {}
    for name, value in values.items():
        kind, needed = TYPES[known[name]["parameterType"]]
        try:
            checked[name] = TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError:
            shown = "something else" if name in SECRETS else _shown(value)
            raise InputError(f"{where} {name}: {needed} is needed; it is {shown}") from None
    return checked


def check_meaning(given: dict[str, Any], defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    """The given values, all parameters checked for their range by the very checks that the steps have.

    Args:
        given: values by name.
        defaults: of the others; what belongs together is checked together.

    Raises:
        InputError: one that the pipeline's steps would refuse.
    """
    checked, values = dict(given), {**(defaults or {}), **given}
    if "candidates" in given:
        checked["candidates"] = check_candidates(given["candidates"], "parameter candidates")
    if "thresholds" in given:
        checked["thresholds"] = read_thresholds(given["thresholds"], "parameter thresholds")
    if values.get("start_from", STARTS[0]) not in STARTS:
        raise InputError(f"parameter start_from: one of {', '.join(STARTS)} is needed, not '{values['start_from']}'")
    if "recipe" in given:
        if given["recipe"] not in recipe_names():
            raise InputError(f"parameter recipe: there is no recipe '{given['recipe']}' in the library; there are "
                             f"{', '.join(recipe_names())}")  # fmt: skip
        load_recipe(given["recipe"])
    if "seed" in values:
        check_seed(int(values["seed"]), "parameter seed")
    if values.get("webhook"):
        check_address(values["webhook"], "parameter webhook")
    _check_promotion(values)
    return checked


def _check_promotion(values: dict[str, Any]) -> None:
    """Floor, gain and where champions are published, as the step promote-model takes them."""
    with _as_parameters("floor", "min_gain"):
        Thresholds(**{name: values[name] for name in ("floor", "min_gain") if name in values})
    project, region = values.get("vertex_project", ""), values.get("vertex_region", "")
    if project or region:
        with _as_parameters("vertex_project", "vertex_region", "registry"):
            target = VertexTarget(project, region)
            check_publishable(registry_of(values.get("registry", ""), values.get("work_root", "")), None, target)


@contextmanager
def _as_parameters(*names: str) -> Iterator[None]:
    """Say the parameter where a check of the library names the option of its own command."""
    try:
        yield
    except InputError as error:
        text = str(error)
        for name in names:
            text = text.replace(f"--{name.replace('_', '-')}", f"parameter {name}")
        raise InputError(text) from error


def check_places(values: dict[str, Any], known: dict[str, dict[str, Any]], target: str, mounts: list[str]) -> None:
    """Whether every address can be reached from the steps, so that a run does not fail for that in its first minute.

    Args:
        values: given parameters; defaults hold for the others.
        known: the declared parameters.
        target: kfp or vertex.
        mounts: paths at which the profile mounts volumes (Kubeflow).

    Raises:
        InputError: a path that no step will have, no place where one is needed, or an address without a bucket.
    """
    for name in LOCATIONS:
        place = values.get(name, known.get(name, {}).get("defaultValue", ""))
        if not place and name in NEEDED_LOCATIONS and name in known:
            raise InputError(f"parameter {name}: it is empty; give a path or an address gs://BUCKET/FOLDER")
        if not place:
            continue
        if is_remote(place):
            check_bucket(place, f"parameter {name}")
            continue
        if target == "vertex" and not place.startswith("/gcs/"):
            raise InputError(f"parameter {name}: Vertex AI reaches no path like {place}; give a gs:// address with "
                             f"--set-parameter {name}=gs://BUCKET/FOLDER")  # fmt: skip
        if target == "kfp" and not any(f"{place}/".startswith(mount.rstrip("/") + "/") for mount in mounts):
            raise InputError(f"parameter {name}: no volume of the profile holds {place} (mounted: "
                             f"{', '.join(mounts) or 'none'}); list a claim under volumes in the settings file, or "
                             f"give --set-parameter {name}=gs://BUCKET/FOLDER")  # fmt: skip


def _require_known(name: str, known: dict[str, dict[str, Any]]) -> None:
    if name in MADE_BY_COMPILING:
        raise InputError(f"parameter {name}: it is made of the code and the images, and not to be given")
    if name not in known:
        names = ", ".join(sorted(set(known) - set(MADE_BY_COMPILING)))
        raise InputError(f"parameter {name}: the pipeline has no such parameter; it has {names}")


def _parse(name: str, text: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set-parameter {name}: '{text}' is not a YAML or JSON value") from error


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
