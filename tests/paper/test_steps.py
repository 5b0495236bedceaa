"""The steps of the pipeline, on object storage, and those without a framework where there is none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.paper.conftest import VOCABULARY
from tests.test_imports import WITHOUT_FRAMEWORKS
from yt8m.evaluation.evaluate import evaluate
from yt8m.paper import steps
from yt8m.paper.steps import experiments_of, folder_of, judge, prepare, publish, train_run
from yt8m.storage import exists, join, list_tree, read_json

pytestmark = pytest.mark.usefixtures("plain_steps")

JUDGE = """
from yt8m.paper.steps import experiments_of, judge, publish
settings, root, copies = map(json.loads, sys.argv[1:])
for experiment in experiments_of(settings, root):
    print(experiment["name"], judge(experiment, root), file=sys.stderr)
print(json.dumps(publish(settings, root, copies)))
assert not {"keras", "tensorflow"} & sys.modules.keys()
"""


@pytest.fixture
def settings(arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "scale": "tiny", "train": arguments["train"][0], "validation": arguments["validation"][0],
        "vocabulary": VOCABULARY, "experiments": [], "seeds": 1.0, "plan": str(arguments["plan"]),
    }  # fmt: skip


def test_on_object_storage_the_steps_find_each_other_s_work(settings: dict[str, Any], gcs: Any, tmp_path: Path) -> None:
    root = "gs://bucket/work"
    trainings = prepare(settings, root)
    assert [training["name"] for training in trainings] == ["plain 0", "tripled 0", "broken 0"]
    causes = [train_run(training, root) for training in trainings]
    assert causes[:2] == ["", ""]
    assert "no-such-preset" in causes[2]
    assert [experiment["name"] for experiment in experiments_of(settings, root)] == ["imbalance", "failing", "tripling"]
    judged = {experiment["name"]: judge(experiment, root) for experiment in experiments_of(settings, root)}
    assert "no-such-preset" in judged["failing"]["cause"]
    agree = publish(settings, root, {"paper.html": str(tmp_path / "page"), "paper.json": str(tmp_path / "table")})
    assert agree["not run"] == 1
    table = json.loads((tmp_path / "table").read_text())
    assert table == read_json(join(folder_of(root, "tiny"), "paper.json"))
    assert exists(join(folder_of(root, "tiny"), "paper.html"))
    assert {name: str(row["verdict"]) for name, row in table.items()} == {
        name: row["verdict"] for name, row in judged.items()
    }
    gaps = {name: _gap(root, name, tmp_path) for name in ("plain", "tripled")}
    (difference,) = read_json(join(folder_of(root, "tiny"), "experiments", "tripling.json"))["seeds"]
    assert difference == pytest.approx(gaps["tripled"] - gaps["plain"], abs=1e-9)


def _gap(root: str, name: str, scratch: Path) -> float:
    """GAP of the predictions of a training, as `yt8m evaluate` has it."""
    trainings = join(folder_of(root, "tiny"), "trainings")
    (predictions,) = (
        join(trainings, found)
        for found in list_tree(trainings)
        if found.startswith(name) and found.endswith("predictions.parquet")
    )
    return float(evaluate(predictions, scratch / name)["gap"])


def test_judging_and_publishing_need_no_framework_and_train_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "reproduction").mkdir()
    prepare(settings, str(tmp_path))
    head = WITHOUT_FRAMEWORKS.partition("from yt8m.cli")[0]
    copies = {"paper.json": str(tmp_path / "table")}
    words = [json.dumps(value) for value in (settings, str(tmp_path), copies)]
    done = subprocess.run([sys.executable, "-c", head + JUDGE, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"holds": 1, "not run": 2}
    assert json.loads((tmp_path / "table").read_text())["tripling"]["cause"] == "plain, seed 0: not trained"


def test_a_named_experiment_is_prepared_alone(settings: dict[str, Any], tmp_path: Path) -> None:
    (nothing,) = prepare({**settings, "experiments": ["imbalance"]}, str(tmp_path))
    assert train_run(nothing, str(tmp_path)) == ""
    assert not list(tmp_path.rglob("*.parquet"))
    assert steps.folder_of(str(tmp_path), "tiny").startswith(str(tmp_path))
