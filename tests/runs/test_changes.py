"""Whether a run has anything new to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from yt8m.errors import InputError
from yt8m.runs.changes import champion_of, check_changes, note_finished, registry_of

SETTINGS = {"code_version": "c1", "candidates": [{"name": "a"}], "seed": 0}


def look(
    tmp_path: Path, sources: tuple[str, ...] = ("1", "2", "3"), skip: bool = True, vocabulary: str = "", **changes: Any
) -> Any:
    return check_changes(
        list(sources), {**SETTINGS, **changes}, str(tmp_path / "work"), tmp_path / "decision.json",
        vocabulary=vocabulary, skip_unchanged=skip,
    )  # fmt: skip


def test_the_first_run_goes_on(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert found["changed"]
    assert champion_of("", str(tmp_path / "work")) == ""
    assert json.loads((tmp_path / "decision.json").read_text()) == found


@pytest.mark.parametrize(
    ("change", "goes_on"),
    [
        ({}, False),
        ({"skip": False}, True),
        ({"sources": ("1", "2", "4")}, True),
        ({"code_version": "c2"}, True),
        ({"candidates": [{"name": "b"}]}, True),
        ({"seed": 1}, True),
    ],
)
def test_after_a_run_that_ended_well_only_a_change_goes_on(tmp_path: Path, change: Any, goes_on: bool) -> None:
    note_finished(str(tmp_path / "work"), "yt8m-1", look(tmp_path)["state"])
    found = look(tmp_path, **change)
    assert found["changed"] is goes_on
    assert "run yt8m-1" in found["reason"]
    assert found["reason"].endswith("nothing to do") is not goes_on


def test_a_vocabulary_counts_by_its_content_and_not_by_its_place(tmp_path: Path) -> None:
    file, other = tmp_path / "vocabulary.csv", tmp_path / "moved.csv"
    rows = "Index,TrainVideoCount,Name,Vertical1\n0,9,Game,Games\n1,8,Car,Autos\n"
    file.write_text(rows)
    first = look(tmp_path, vocabulary=str(file))
    note_finished(str(tmp_path / "work"), "yt8m-1", first["state"])
    other.write_text(rows)
    assert not look(tmp_path, vocabulary=str(other))["changed"]
    found = {first["vocabulary"], look(tmp_path)["vocabulary"]}
    for change in (("Car", "Bus"), ("Autos", "Cars"), (",8,", ",7,"), ("1,8,Car,Autos\n", "")):
        file.write_text(rows.replace(*change))
        again = look(tmp_path, vocabulary=str(file))
        assert again["changed"], change
        found.add(again["vocabulary"])
    assert len(found) == 6
    with pytest.raises(InputError, match=r"no\.csv: no such file"):
        look(tmp_path, vocabulary=str(tmp_path / "no.csv"))


def test_the_registry_is_below_the_work_root_unless_it_is_named() -> None:
    assert registry_of("", "gs://b/work") == "gs://b/work/registry"
    assert registry_of("gs://b/champions", "gs://b/work") == "gs://b/champions"
