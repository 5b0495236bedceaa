"""Each component is an interface with documentation, and one call into the library."""

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl.python_component import PythonComponent

FOLDER = Path(__file__).parents[2] / "components"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
HELPERS = {"scalars", "recorded", "run_name", "registry_of", "predict_step", "measured", "champion_profile", "put"}


def component(name: str) -> PythonComponent:
    """The one component of a file, named like it."""
    found = vars(importlib.import_module(f"components.{name}"))
    components = {key: value for key, value in found.items() if isinstance(value, PythonComponent)}
    assert list(components) == [name]
    return components[name]


def specification(name: str) -> Any:
    specification = component(name).pipeline_spec
    (key,) = specification.components
    return specification.components[key]


def test_there_is_a_component_for_each_step_of_this_stage() -> None:
    assert NAMES == [
        "analyze_errors", "check_changes", "evaluate", "find_champion", "fingerprint_source", "index_videos",
        "judge_experiment", "list_experiments", "predict", "prepare_reproduction", "promote_model",
        "publish_reproduction", "publish_results", "rebalance", "select_model", "statistics", "summarize_run",
        "train", "train_run", "validate_data", "write_submission",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_input_and_output_is_typed_and_described(name: str) -> None:
    assert len(component(name).description) > 20
    spec = specification(name)
    assert spec.output_definitions.artifacts or spec.output_definitions.parameters
    for definitions in (spec.input_definitions, spec.output_definitions):
        for key, artifact in definitions.artifacts.items():
            assert artifact.description.endswith("."), key
            assert artifact.artifact_type.schema_title.startswith("system."), key
        for key, parameter in definitions.parameters.items():
            assert parameter.parameter_type, key
            assert parameter.description.endswith("."), key


@pytest.mark.parametrize(
    ("name", "artifact", "title"),
    [
        ("index_videos", "video_index", "system.Dataset"),
        ("rebalance", "training_set", "system.Dataset"),
        ("train", "model", "system.Model"),
        ("predict", "predictions", "system.Dataset"),
        ("evaluate", "metrics", "system.Metrics"),
        ("select_model", "model", "system.Model"),
        ("analyze_errors", "report", "system.HTML"),
        ("statistics", "page", "system.HTML"),
        ("write_submission", "submission", "system.Dataset"),
        ("validate_data", "page", "system.HTML"),
        ("summarize_run", "page", "system.HTML"),
        ("promote_model", "card", "system.HTML"),
        ("publish_reproduction", "page", "system.HTML"),
    ],
)
def test_a_user_interface_can_tell_what_an_artifact_is(name: str, artifact: str, title: str) -> None:
    assert specification(name).output_definitions.artifacts[artifact].artifact_type.schema_title == title


@pytest.mark.parametrize("name", NAMES)
def test_a_body_is_one_call_into_the_library(name: str) -> None:
    (function,) = (node for node in ast.parse((FOLDER / f"{name}.py").read_text()).body
                   if isinstance(node, ast.FunctionDef))  # fmt: skip
    own = {
        alias.name
        for node in function.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("yt8m")
        for alias in node.names
    }
    calls = [
        node.func.id
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in own - HELPERS
    ]
    assert len(calls) == 1
    assert not any(isinstance(node, ast.If | ast.For | ast.While | ast.Try) for node in ast.walk(function))
