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
    ({"seed": -1}, "parameter seed -1: it can be 0 to"), ({"seed": 2**32}, "parameter seed"),
    ({"floor": 80.0}, "parameter floor 80: a GAP from 0"), ({"floor": -0.1}, "parameter floor"),
    ({"min_gain": -1.0}, "parameter min_gain -1"), ({"min_gain": 2.0}, "parameter min_gain 2"),
    ({"vertex_project": "p"}, "parameter vertex_project and parameter vertex_region: both are needed"),
    ({"vertex_region": "r", "work_root": "gs://b/w"}, "both are needed"),
    ({"vertex_project": "p", "vertex_region": "r", "work_root": "/data/w"}, "gs:// alone; give parameter registry"),
    ({"webhook": "example.com/hook"}, "parameter webhook: an address is needed"),
    ({"webhook": "ftp://example.com/s3cret"}, "parameter webhook"), ({"webhook": "https://"}, "parameter webhook"),
    ({"webhook": "https://a b.com/"}, "parameter webhook"), ({"webhook": "http://[::1/x"}, "parameter webhook"),
    ({"webhook": "http://h:port/x"}, "parameter webhook"),
])  # fmt: skip
def test_what_a_step_would_refuse_is_refused_before(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        check_meaning(values)
    assert "s3cret" not in str(error.value)


def test_what_belongs_together_is_checked_with_the_defaults_of_the_rest() -> None:
    standing = {"vertex_project": "p", "vertex_region": "", "work_root": "gs://b/w", "floor": 0.5}
    assert check_meaning({"vertex_region": "r"}, standing) == {"vertex_region": "r"}
    with pytest.raises(InputError, match="gs:// alone"):
        check_meaning({"vertex_region": "r", "registry": "/data/champions"}, standing)
    assert check_meaning({"webhook": "https://h.example.com:8443/x?y=z", "min_gain": 0.0, "seed": 2**32 - 1})


def test_no_message_repeats_the_address_of_a_webhook(known: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("webhook: https://h/s3cret: x\n")
    (tmp_path / "q.yaml").write_text("webhook: [https://h/s3cret]\n")
    for wrong in (
        lambda: parse_assignments(["webhook:https://h/s3cret"], known),
        lambda: read_parameters(tmp_path / "p.yaml", known),
        lambda: read_parameters(tmp_path / "q.yaml", known),
    ):
        with pytest.raises(InputError) as error:
            wrong()
        assert "s3cret" not in str(error.value)


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
        ({"work_root": ""}, "kfp", ["/data"], "parameter work_root: it is empty"),
        ({**remote, "work_root": "gs://"}, "vertex", [], "parameter work_root: gs://: the bucket is missing"),
        ({**remote, "registry": "gs:///champions"}, "vertex", [], "parameter registry: .* the bucket is missing"),
        ({"vocabulary": "/database/v.csv"}, "kfp", ["/data"], r"vocabulary: .* \(mounted: /data\)"),
    ):
        with pytest.raises(InputError, match=says):
            check_places(values, known, target, mounts)  # type: ignore[arg-type]
