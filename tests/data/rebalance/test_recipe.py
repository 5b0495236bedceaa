"""Recipes: the built-in ones, files, and errors that name file, key, value and the valid ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from yt8m.data.rebalance.recipe import load_recipe, recipe_names
from yt8m.data.rebalance.training_set import Until
from yt8m.errors import InputError


def write(folder: Path, phases: Any, description: Any = "mine") -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"description": description, "phases": phases}))
    return path


def test_the_built_in_recipes_have_one_line_descriptions() -> None:
    names = recipe_names()
    assert {"all", "rare", "hard-x3", "rare-then-all", "all-then-rare"} <= set(names)
    assert {"repeat-factor", "effective-number", "label-cap"} <= set(names)
    assert all(0 < len(text) < 110 and "\n" not in text for text in names.values())


def test_the_papers_two_stage_trainings() -> None:
    first, last = load_recipe("rare-then-all").rules, load_recipe("all-then-rare").rules
    assert [rule.phase.name for rule in first] == ["rare", "all"]
    assert [rule.phase.name for rule in last] == ["all", "rare"]
    assert first[0].phase.until.training_gap == "converged"
    assert first[1].phase.until.open
    assert last[0].phase.until == Until(epochs=2.5)
    assert all(rule.phase.restart == ("schedule", "optimizer") for rule in (*first, *last))


def test_a_phase_has_defaults(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, [{}, {"restart": []}]))
    phase = recipe.rules[0].phase
    assert (recipe.name, phase.name, phase.select, phase.limit, phase.repeat) == ("mine", "phase 1", "all", None, 1)
    assert phase.until.open
    assert phase.restart == ("schedule", "optimizer")
    assert recipe.rules[1].phase.restart == ()


def test_an_unknown_name_lists_the_recipes_with_what_they_do() -> None:
    with pytest.raises(InputError, match=r"there is no recipe 'hardx3'.*hard-x3: every video once.*rare-then-all: "):
        load_recipe("hardx3")


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ({"slect": "all"}, r"mine.yaml: unknown key 'slect' in phases\[0\]; the keys are name, select, limit, repeat"),
        ({"until": {"epoch": 2}}, r"unknown key 'epoch' in phases\[0\].until; the keys are epochs, training_gap"),
        ({"until": {"epochs": 0}}, r"phases\[0\].until.epochs is 0; give a number above 0"),
        ({"until": {"epochs": 2, "max_epochs": 3}}, "give either epochs, or training_gap with max_epochs"),
        ({"until": {"training_gap": "converged"}}, "training_gap and max_epochs go together"),
        ({"until": {"training_gap": "done", "max_epochs": 2}}, "is 'done'; give converged, or a GAP"),
        ({"until": {"training_gap": 1.2, "max_epochs": 2}}, "is 1.2; give a number above 0 and at most 1"),
        ({"restart": ["model"]}, r"restart is \['model'\]; give a list of schedule, optimizer"),
        ({"restart": "schedule"}, "restart is 'schedule'; give a list"),
        ({"name": 3}, r"phases\[0\].name is 3; give a line of text"),
        ("all", r"phases\[0\] is 'all'; give a mapping; its keys are name, select"),
    ],
)
def test_a_wrong_phase_is_named(tmp_path: Path, phase: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe(write(tmp_path, [phase]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phases: [", "mine.yaml: not a YAML file .*line 1"),
        ("", "mine.yaml is None; give a mapping; its keys are description, phases"),
        ("description: d", "the key phases is missing"),
        ("description: d\nphases: []", r"phases is \[\]; give a list of phases"),
        ("description: d\nphases: [{}]\nseed: 3", "unknown key 'seed'; the keys are description, phases"),
        ("description:\nphases: [{}]", "description is None; give a line of text"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_recipe(tmp_path / "mine.yaml")


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a YAML file"):
        load_recipe(tmp_path / "mine.yaml")


def test_the_readme_names_every_key_and_its_example_is_a_recipe(tmp_path: Path) -> None:
    from yt8m.data.rebalance import limit, recipe, selection

    text = (recipe.FOLDER / "README.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "example.yaml").write_text(example)
    assert [rule.phase.name for rule in load_recipe(tmp_path / "example.yaml").rules] == ["rare", "all"]
    for key in (*recipe.PHASE_KEYS, *selection.KEYS, *selection.COMPARISONS, *limit.KEYS):
        assert key in text
