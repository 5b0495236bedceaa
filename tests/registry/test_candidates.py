"""Candidates are exactly {name, preset, overrides}; floats that a pipeline made of ints are ints again."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.errors import InputError
from yt8m.registry.candidates import check_candidate, check_candidates, read_candidates, restore_ints


def candidate(**changes: Any) -> dict[str, Any]:
    value = {"name": "a", "preset": "logistic", "overrides": {}, **changes}
    return {key: item for key, item in value.items() if item is not ...}


def test_whole_floats_become_ints_and_the_rest_stays() -> None:
    overrides = {"batch_size": 32.0, "epochs": 2.5, "frames.train": {"kind": "random", "count": 16.0}}
    checked = check_candidate(candidate(preset="netvlad-small", overrides=overrides))
    assert checked["overrides"]["batch_size"] == 32
    assert isinstance(checked["overrides"]["batch_size"], int)
    assert isinstance(checked["overrides"]["frames.train"]["count"], int)
    assert checked["overrides"]["epochs"] == 2.5


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_restoring_undoes_what_a_pipeline_does_to_ints(value: Any) -> None:
    def as_pipeline(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: as_pipeline(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [as_pipeline(inner) for inner in item]
        return float(item) if isinstance(item, int) and not isinstance(item, bool) else item

    assert json.dumps(restore_ints(as_pipeline(value))) == json.dumps(value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (candidate(overrides=...), "'overrides' is missing"),
        (candidate(preset=...), "'preset' is missing"),
        (candidate(name=...), "'name' is missing"),
        (candidate(seed=1), "there is no key 'seed'"),
        (candidate(name="a b"), "the name 'a b' must be"),
        (candidate(name="../a"), "must be up to 63"),
        (candidate(name=7.0), "must be up to 63"),
        (candidate(preset="logistics"), "there is no preset 'logistics'; there are .*netvlad-small"),
        (candidate(preset="./my.yaml"), "there is no preset"),
        (candidate(overrides=[]), "overrides must map"),
        (candidate(overrides={"epoch": 1}), r"\('a'\): preset logistic: there is no key 'epoch'"),
        (candidate(overrides={"batch_size": -1.0}), "batch_size"),
        ("logistic", "a mapping is needed"),
    ],
)
def test_a_wrong_candidate_is_one_line_that_names_it(value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        check_candidates([value])
    assert str(error.value).startswith("candidates, number 1")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "a list of at least one"),
        ({"a": 1}, "a list of at least one"),
        ([candidate(), candidate(preset="moe")], "two candidates are named 'a'"),
        ([candidate(), candidate(name="b")], "'a' and 'b' train the same"),
    ],
)
def test_a_run_needs_different_candidates(values: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_candidates(values)


def test_an_override_that_says_what_the_preset_says_trains_the_same() -> None:
    from yt8m.presets import load_preset

    same = {"batch_size": load_preset("logistic")["batch_size"]}
    with pytest.raises(InputError, match="train the same"):
        check_candidates([candidate(), candidate(name="b", overrides=same)])


def test_candidates_come_from_yaml_or_json(tmp_path: Path) -> None:
    values = [candidate(), candidate(name="b", overrides={"epochs": 3})]
    (tmp_path / "c.json").write_text(json.dumps(values))
    (tmp_path / "c.yaml").write_text(
        "- {name: a, preset: logistic, overrides: {}}\n- {name: b, preset: logistic, overrides: {epochs: 3}}\n"
    )
    assert read_candidates(tmp_path / "c.json") == read_candidates(tmp_path / "c.yaml") == values


def test_a_file_of_candidates_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.yaml: no such file"):
        read_candidates(tmp_path / "no.yaml")
    (tmp_path / "bad.yaml").write_text("- {name: [")
    with pytest.raises(InputError, match=r"bad\.yaml: not a YAML file"):
        read_candidates(tmp_path / "bad.yaml")
    (tmp_path / "one.yaml").write_text("- {name: a, preset: logistic}\n")
    with pytest.raises(InputError, match=r"one\.yaml, number 1: 'overrides' is missing"):
        read_candidates(tmp_path / "one.yaml")
