"""Recipes: YAML files that say how a training set is made of an index.

A recipe has a `description` and a list of `phases`. A phase has the keys

- `name`: what reports call it (`phase 1`, ... unless given);
- `select`: which videos (selection.py; `all` unless given);
- `limit`: a fraction or a cap of them (limit.py);
- `repeat`: how often an epoch reads each (repeat.py; 1 unless given);
- `until`: when it ends: `{epochs: 2.5}`, or `{training_gap: converged, max_epochs: 5}` (or a GAP to reach); the
  training preset's epochs unless given;
- `restart`: what starts anew with it: `[schedule, optimizer]` unless given.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt8m import storage
from yt8m.data.rebalance.limit import Limit, parse_limit
from yt8m.data.rebalance.node import Node
from yt8m.data.rebalance.repeat import Repeat, parse_repeat
from yt8m.data.rebalance.selection import Selection, parse_selection
from yt8m.data.rebalance.training_set import CONVERGED, RESTARTS, Phase, Until
from yt8m.errors import InputError
from yt8m.presets.schema import read_yaml
from yt8m.storage import StrPath

FOLDER = Path(__file__).parents[2] / "presets" / "recipes"
PHASE_KEYS = ("name", "select", "limit", "repeat", "until", "restart")


@dataclass(frozen=True)
class Rule:
    """A phase of a recipe, ready to be applied to an index."""

    phase: Phase
    selection: Selection
    limit: Limit | None
    repeat: Repeat


@dataclass(frozen=True)
class Recipe:
    """A recipe: its name and file, its one-line description, its phases, and the YAML value it came from."""

    name: str
    file: str
    description: str
    rules: tuple[Rule, ...]
    source: dict[str, Any]


def recipe_names() -> dict[str, str]:
    """The built-in recipes by name, each with its one-line description."""
    return {path.stem: load_recipe(path.stem).description for path in sorted(FOLDER.glob("*.yaml"))}


def load_recipe(name_or_file: StrPath) -> Recipe:
    """A built-in recipe by name, or one of a YAML file.

    Raises:
        InputError: no such recipe (with the list of built-in ones), not YAML, or a wrong key or value.
    """
    text = os.fspath(name_or_file)
    built_in = FOLDER / f"{text}.yaml"
    path = str(built_in) if os.sep not in text and built_in.is_file() else text
    if not storage.exists(path):
        known = "; ".join(f"{name}: {description}" for name, description in recipe_names().items())
        raise InputError(f"there is no recipe '{text}', built in or as a file; the built-in ones are {known}")
    node = Node(read_yaml(path, "name a YAML file"), path)
    children = node.mapping(("description", "phases"), required=("description", "phases"))
    rules = [_parse_phase(item, position) for position, item in enumerate(children["phases"].items("phases"))]
    return Recipe(Path(path).stem, path, children["description"].text(), tuple(rules), node.value)


def _parse_phase(node: Node, position: int) -> Rule:
    children = node.mapping(PHASE_KEYS)
    defaults = {"name": f"phase {position + 1}", "select": "all", "repeat": 1, "until": {}, "restart": list(RESTARTS)}
    for key, value in defaults.items():
        children.setdefault(key, Node(value, node.file, f"{node.key}.{key}"))
    limit = children.get("limit")
    selection = parse_selection(children["select"])
    return Rule(
        Phase(
            name=children["name"].text(),
            select=children["select"].value,
            limit=limit.value if limit else None,
            repeat=children["repeat"].value,
            until=_parse_until(children["until"]),
            restart=_parse_restart(children["restart"]),
        ),
        selection,
        parse_limit(limit) if limit else None,
        parse_repeat(children["repeat"], selection),
    )


def _parse_until(node: Node) -> Until:
    children = node.mapping(("epochs", "training_gap", "max_epochs"))
    if "epochs" in children and len(children) > 1:
        node.fail("give either epochs, or training_gap with max_epochs")
    if ("training_gap" in children) != ("max_epochs" in children):
        node.fail("training_gap and max_epochs go together, so that the phase ends")
    epochs = {key: children[key].number(0, above=True) for key in ("epochs", "max_epochs") if key in children}
    gap = _parse_gap(children["training_gap"]) if "training_gap" in children else None
    return Until(epochs.get("epochs"), gap, epochs.get("max_epochs"))


def _parse_gap(node: Node) -> float | str:
    if node.value == CONVERGED:
        return CONVERGED
    if isinstance(node.value, str):
        node.fail(f"give {CONVERGED}, or a GAP above 0 and at most 1")
    return node.number(0, 1, above=True)


def _parse_restart(node: Node) -> tuple[str, ...]:
    if not isinstance(node.value, list) or any(item not in RESTARTS for item in node.value):
        node.fail(f"give a list of {', '.join(RESTARTS)}; [] restarts nothing")
    return tuple(name for name in RESTARTS if name in node.value)
