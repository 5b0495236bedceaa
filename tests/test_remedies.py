"""What messages, helps and docstrings tell people to use is there: commands, options, presets, recipes, documents."""

import argparse
import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from yt8m.cli import COMMANDS
from yt8m.data.rebalance.recipe import recipe_names
from yt8m.presets import load_preset, preset_names
from yt8m.registry.candidates import EXAMPLE, check_candidate

ROOT = Path(__file__).parents[1]
SOURCES = [
    ROOT / "pipeline.py",
    *(file for part in ("yt8m", "targets", "components") for file in (ROOT / part).rglob("*.py")),
]
OTHER_PROGRAMS = {
    "--no-deps", "--require-hashes", "--rm", "--gpus", "--user", "--env", "--volume", "--workdir", "--network",
    "--audience", "--executor",
}  # fmt: skip
DEFINING = ("add_argument", "add")


@cache
def trees() -> dict[Path, ast.Module]:
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in SOURCES}


@cache
def texts() -> dict[Path, list[str]]:
    """Every text in the code, the parts of a formatted one joined by an ellipsis."""
    return {file: list(_texts(tree)) for file, tree in trees().items()}


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)  # type: ignore[misc]
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


@cache
def options() -> set[str]:
    """The options that some parser declares."""
    found = {"--help", "--version", "--json"}
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in DEFINING:
                named = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                found |= {name for name in named if name.startswith("--")}
    return found | {name.replace("--", "--no-", 1) for name in found}


def test_an_option_that_is_named_is_there() -> None:
    unknown = {
        (str(file.relative_to(ROOT)), option)
        for file, found in texts().items()
        for text in found
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9](?!\w|[\w-]*=)", text)
        if option not in options() | OTHER_PROGRAMS
    }
    assert not unknown


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_named_is_there_with_its_options(name: str) -> None:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"yt8m.commands.{name}").add_arguments(parser)
    ours = {*parser._option_string_actions, "--help", "--json"}
    for file, found in texts().items():
        for text in found:
            for quoted in re.findall(r"`yt8m ([^`]*)`", text):
                command, *words = quoted.split() or ["…"]
                assert command in COMMANDS or not command[0].isalpha() or command == "COMMAND", (file, quoted)
                if command == name:
                    assert {word for word in words if word.startswith("--")} <= ours, (file, quoted)


def test_a_preset_or_recipe_that_is_named_is_there() -> None:
    for file, found in texts().items():
        for text in found:
            for preset in re.findall(r"(?:--preset |the preset (?=\w+-)|preset: (?=[\w-]+[,}]))([a-z][\w-]+)", text):
                assert preset in preset_names(), (file, text)
            for recipe in re.findall(r"--recipe ([a-z][a-z0-9-]*[a-z0-9])", text):
                assert recipe in recipe_names(), (file, text)


def test_a_document_that_is_named_is_there() -> None:
    for file, found in texts().items():
        for text in found:
            for name in re.findall(r"\b(?:docs|benchmarks|containers|requirements)/[\w/-]+\.\w+", text):
                assert (ROOT / name).exists(), (file, name)


def test_the_example_of_a_candidate_is_one() -> None:
    candidate = yaml.safe_load(EXAMPLE)
    check_candidate(candidate, "the example")
    load_preset(candidate["preset"], candidate["overrides"])
