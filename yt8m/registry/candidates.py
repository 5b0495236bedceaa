"""Candidates: the models that one run trains and compares, each exactly `{name, preset, overrides}`.

Pipelines hand lists of mappings over as JSON whose numbers are all floats, and accept a mapping that lacks a key. So
candidates are checked when a pipeline is made, when it is run, and in the step that trains them; and whole floats
become ints again.
"""

import re
from typing import Any

from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.presets import level_problem, load_preset, preset_names
from yt8m.presets.schema import read_yaml
from yt8m.registry.identity import decisive_preset, written_as
from yt8m.storage import StrPath

KEYS = ("name", "preset", "overrides")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
EXAMPLE = "{name: netvlad-16, preset: netvlad-small, overrides: {model.clusters: 16}}"


def check_candidate(value: Any, where: str = "candidate") -> dict[str, Any]:
    """The candidate with ints restored, and its preset loaded with its overrides once, to see that this goes.

    Raises:
        InputError: a missing or unknown key, a name unfit for a path, a preset that is not one of the package (a file
            would not be there on another machine), or overrides that the preset refuses.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where}: a mapping is needed, such as {EXAMPLE}; it is {value!r}")
    for key in KEYS:
        if key not in value:
            raise InputError(f"{where}: '{key}' is missing; a candidate is {EXAMPLE}")
    for key in value:
        if key not in KEYS:
            raise InputError(f"{where}: there is no key '{key}'; a candidate is {EXAMPLE}")
    name, preset, overrides = value["name"], value["preset"], restore_ints(value["overrides"])
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"{where}: the name {name!r} must be up to 63 letters, digits, dots, dashes or underscores")
    if preset not in preset_names():
        raise InputError(f"{where} ('{name}'): there is no preset {preset!r}; there are {', '.join(preset_names())}")
    if not isinstance(overrides, dict):
        raise InputError(
            f"{where} ('{name}'): overrides must map dotted keys to values ({{}} for none), not {overrides!r}"
        )
    try:
        load_preset(preset, overrides)
    except InputError as error:
        raise InputError(f"{where} ('{name}'): {error}") from error
    return {"name": name, "preset": preset, "overrides": overrides}


def check_candidates(values: Any, where: str = "candidates") -> list[dict[str, Any]]:
    """The candidates of a run, each checked; names must differ, and so must what they train.

    Raises:
        InputError: as `check_candidate`; no candidate at all; the same twice.
    """
    if not isinstance(values, list) or not values:
        raise InputError(f"{where}: a list of at least one candidate is needed, such as [{EXAMPLE}]")
    checked = [check_candidate(value, f"{where}, number {number}") for number, value in enumerate(values, 1)]
    owners: dict[str, str] = {}
    for candidate in checked:
        preset = load_preset(candidate["preset"], candidate["overrides"])
        name, settings = candidate["name"], fingerprint([decisive_preset(preset), written_as(preset)])
        if name in owners.values():
            raise InputError(f"{where}: two candidates are named '{name}'; give each its own name")
        if settings in owners:
            raise InputError(f"{where}: '{owners[settings]}' and '{name}' train the same; leave one out")
        owners[settings] = name
    return checked


def check_levels(candidates: list[dict[str, Any]], level: str, place: str) -> None:
    """See whether candidates can be trained on records of a level (frame or video).

    Args:
        candidates: checked ones.
        level: of the records.
        place: where these lie, for the message.

    Raises:
        InputError: one is for the other level.
    """
    for candidate in candidates:
        preset = load_preset(candidate["preset"], candidate["overrides"])
        if preset["level"] != level:
            problem = level_problem(level, preset, "overrides of level: ")
            raise InputError(f"candidate '{candidate['name']}': {place}: {problem}")


def read_candidates(path: StrPath) -> list[dict[str, Any]]:
    """Candidates from a YAML or JSON file that holds a list of them.

    Raises:
        InputError: the file is missing or not YAML, or a candidate is wrong.
    """
    return check_candidates(read_yaml(path, "name a YAML file that lists candidates"), str(path))


def restore_ints(value: Any) -> Any:
    """A JSON value whose whole floats are ints: a pipeline hands 16 over as 16.0."""
    if isinstance(value, dict):
        return {key: restore_ints(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restore_ints(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
