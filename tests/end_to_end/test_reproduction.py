"""The paper's experiments as a pipeline by `pipeline.py reproduce`, on a tiny plan: each step a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.test_local_run import copy_checkout
from tests.paper.conftest import PLAN, SAMPLE, write_slices

SMALL = {**PLAN, "experiments": {name: PLAN["experiments"][name] for name in ("imbalance", "failing", "tripling")}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, subprocess.CompletedProcess[str]]:
    """The command, its output folder, and how it ended."""
    root = tmp_path_factory.mktemp("reproduction")
    copy_checkout(root / "checkout")
    shards = write_slices(root)
    (root / "plan.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False))
    command = [
        sys.executable, str(root / "checkout" / "pipeline.py"), "reproduce", "--scale", "tiny", "--seeds", "1",
        "--plan", str(root / "plan.yaml"), "--train", shards["train"], "--validation", shards["validation"],
        "--vocabulary", str(SAMPLE / "vocabulary.csv"), "-o", str(root / "build"),
    ]  # fmt: skip
    return command, root / "build", run(command)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_it_ends_with_the_page_and_an_experiment_that_failed_in_its_place(
    finished: tuple[list[str], Path, subprocess.CompletedProcess[str]],
) -> None:
    _, folder, done = finished
    assert done.returncode == 0, done.stderr
    table = json.loads((folder / "paper.json").read_text())
    assert list(table) == ["imbalance", "failing", "tripling"]
    assert table["imbalance"]["verdict"] == "exact"
    assert "no-such-preset" in table["failing"]["cause"]
    assert isinstance(table["tripling"]["ours"]["difference"], float)
    assert "not run: " in done.stdout
    assert str(folder / "paper.html") in done.stdout
    for step in ("prepare-reproduction", "train-run plain 0", "train-run tripled 0", "judge-experiment tripling",
                 "publish-reproduction"):  # fmt: skip
        assert f"{step}: " in done.stderr, done.stderr


def test_run_again_it_trains_nothing(finished: tuple[list[str], Path, subprocess.CompletedProcess[str]]) -> None:
    command, folder, _ = finished
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("work/**/trainings/*/done.json")}
    assert len(kept) == 2
    before = (folder / "paper.json").read_bytes()
    done = run([*command, "--only", "tripling"])
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert json.loads((folder / "paper.json").read_text())["tripling"] == json.loads(before)["tripling"]
