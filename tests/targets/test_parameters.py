"""Parameters, checked against a compiled pipeline before anything is sent."""

from pathlib import Path
from typing import Any

import pytest

from targets.parameters import (
    check_meaning,
    check_places,
    declared,
    parse_assignments,
    read_parameters,
    read_pipeline,
)
from yt8m.errors import InputError

CANDIDATE = "{name: a, preset: logistic, overrides: {epochs: 1.0}}"


@pytest.fixture(scope="module")
def known(packages: dict[str, Path]) -> dict[str, dict[str, Any]]:
    return declared(read_pipeline(packages["kfp"]))


def test_values_are_read_by_the_type_of_the_parameter(known: dict[str, Any]) -> None:
    values = parse_assignments(
        ["seed=3", "floor=1", "skip_unchanged=true", "work_root=3", "recipe=all", f"candidates=[{CANDIDATE}]",
         "thresholds={leaked_ids: 1}", "webhook=https://example.com/?a=b"], known,
    )  # fmt: skip
    assert values == {
        "seed": 3, "floor": 1.0, "skip_unchanged": True, "work_root": "3", "recipe": "all",
        "candidates": [{"name": "a", "preset": "logistic", "overrides": {"epochs": 1.0}}],
        "thresholds": {"leaked_ids": 1}, "webhook": "https://example.com/?a=b",
    }  # fmt: skip
    assert isinstance(values["floor"], float)


@pytest.mark.parametrize(("text", "says"), [
    ("seed", "write NAME=VALUE"), ("sed=3", "no such parameter; it has candidates, "),
    ("seed=3.5", "a whole number is"),
    ("seed=true", "a whole number is"), ("seed=three", "a whole number is"), ("floor=high", "a number is needed"),
    ("floor=.nan", "a number is needed"), ("skip_unchanged=1", "true or false is needed"), ("candidates=3", "a list"),
    ("thresholds=[1]", "a mapping"), ("candidates=[", "not a YAML or JSON value"),
    ("code_version=x", "not to be given"),
])  # fmt: skip
def test_a_wrong_value_is_one_line(known: dict[str, Any], text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        parse_assignments([text], known)
    assert "\n" not in str(error.value)


def test_a_parameter_given_twice_is_refused(known: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="seed: it is given twice"):
        parse_assignments(["seed=1", "seed=2"], known)


def test_a_file_of_parameters_is_checked_as_well(known: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text("seed: 4\nwork_root: gs://b/w\n")
    assert read_parameters(path, known) == {"seed": 4, "work_root": "gs://b/w"}
    for text, says in (
        ("seed: x", "seed: a whole number"), ("sed: 1", "no such parameter"), ("- 1", "a mapping of"),
        ("a: [", "not a YAML file"), ("work_root: 3", "work_root: a text is needed; it is 3"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            read_parameters(path, known)
    with pytest.raises(InputError, match="no such file"):
        read_parameters(tmp_path / "none.yaml", known)


@pytest.mark.parametrize(("values", "says"), [
    ({"candidates": [{"name": "a", "preset": "logistic"}]}, "'overrides' is missing"),
    ({"candidates": []}, "at least one candidate"), ({"start_from": "zero"}, "one of nothing, champion"),
    ({"recipe": "al"}, "no recipe 'al' in the library; there are all-then-rare"),
    ({"thresholds": {"leak": 1}}, "leak"),
])  # fmt: skip
def test_what_a_step_would_refuse_is_refused_before(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_meaning(values)


def test_whole_floats_of_candidates_become_ints() -> None:
    made = check_meaning({"candidates": [{"name": "a", "preset": "logistic", "overrides": {"batch_size": 64.0}}]})
    assert made["candidates"][0]["overrides"]["batch_size"] == 64
    assert isinstance(made["candidates"][0]["overrides"]["batch_size"], int)


def test_addresses_that_no_step_reaches_are_refused(known: dict[str, Any]) -> None:
    remote = {name: f"gs://b/{name}" for name in ("train_source", "validation_source", "test_source", "work_root")}
    check_places(remote, known, "vertex", [])
    check_places({**remote, "work_root": "/gcs/b/work"}, known, "vertex", [])
    check_places({}, known, "kfp", ["/data"])
    for values, target, mounts, says in (
        ({}, "vertex", ["/data"], "train_source: Vertex AI reaches no path like /data/yt8m/train"),
        ({}, "kfp", [], r"train_source: no volume of the profile holds .* \(mounted: none\)"),
        ({"vocabulary": "/database/v.csv"}, "kfp", ["/data"], r"vocabulary: .* \(mounted: /data\)"),
    ):
        with pytest.raises(InputError, match=says):
            check_places(values, known, target, mounts)  # type: ignore[arg-type]
