from pathlib import Path

import pytest
import yaml

from tests.paper.conftest import PLAN
from yt8m.data.rebalance.recipe import load_recipe
from yt8m.errors import InputError
from yt8m.paper.experiments import load_paper, scale_names
from yt8m.presets import load_preset


@pytest.mark.parametrize("scale", scale_names())
def test_every_run_of_every_scale_has_a_preset_and_a_recipe(scale: str) -> None:
    paper = load_paper(scale)
    assert len(paper.scale.seeds) == 3
    for run in paper.runs.values():
        preset = load_preset(*paper.preset_of(run))
        assert preset["level"] == paper.level_of(run)
        load_recipe(run.recipe)


def test_every_run_serves_an_experiment() -> None:
    paper = load_paper("sample")
    assert {run for experiment in paper.experiments.values() for run in experiment.needed} == set(paper.runs)


def test_an_unknown_scale_names_those_there_are() -> None:
    with pytest.raises(InputError, match="sample, simulated, full"):
        load_paper("large")


def test_a_plan_that_names_no_such_run_is_refused(tmp_path: Path) -> None:
    broken = {**PLAN, "experiments": {"x": {**PLAN["experiments"]["tripling"], "run": "nothing"}}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(broken, sort_keys=False))
    with pytest.raises(InputError, match="run 'nothing' is not there; there are plain, tripled"):
        load_paper("tiny", tmp_path / "plan.yaml")


@pytest.mark.parametrize("part", ["runs", "experiments", "scales"])
def test_a_plan_names_its_entries_by_their_keys_alone(tmp_path: Path, part: str) -> None:
    plan = {**PLAN, part: {key: {**entry, "name": "x"} for key, entry in PLAN[part].items()}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    with pytest.raises(InputError, match=r"there is no key 'name'; it can have [a-z_, ]+$") as error:
        load_paper("tiny", tmp_path / "plan.yaml")
    assert ", name" not in str(error.value)
