"""What the experiments would take, by the rates that a run of the pipeline is estimated with."""

import json
from pathlib import Path

import numpy as np
import pytest

from yt8m.checks.throughput import read_throughput, work_of
from yt8m.cli import main
from yt8m.paper.experiments import load_paper
from yt8m.paper.reproduce import estimate, render_estimate
from yt8m.presets import load_preset

EXAMPLES, PREDICTED = 3 * 2.5 * 3_900_000, 3 * 1_112_357


def test_hours_follow_from_videos_and_the_rates_of_each_card() -> None:
    made = estimate("full", only=["figure-2"])
    assert list(made["runs"]) == ["paper", "baseline"]
    paper = load_paper("full")
    preset = load_preset(*paper.preset_of(paper.runs["paper"]))
    row, train = made["runs"]["paper"], work_of("train", preset)
    assert (row["seeds"], row["examples"], row["bytes"]) == (3, EXAMPLES, 251_000 * (EXAMPLES + PREDICTED))
    assert row["flops"] == train.flops * (3 * EXAMPLES + PREDICTED)
    table = read_throughput()
    hours = sum(table.rate(work_of(kind, preset), "NVIDIA_L4", "float32", 251_000).hours(videos)
                for kind, videos in (("train", EXAMPLES), ("predict", PREDICTED)))  # fmt: skip
    assert row["hours"]["NVIDIA_L4"] == pytest.approx(hours)
    both = [made["runs"][name]["hours"]["NVIDIA_L4"] for name in made["runs"]]
    assert made["total"]["hours"]["NVIDIA_L4"] == pytest.approx(np.sum(both, axis=0))
    lines = render_estimate(made).splitlines()
    assert [line.split()[0] for line in lines[-len(table.cards) :]] == list(table.cards)


def test_the_command_writes_nothing_and_where_nothing_is_trained_nothing_takes_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(["reproduce", "--scale", "full", "--only", "figure-3", "--estimate", "-o", str(output), "--json"]) == 0
    total = json.loads(capsys.readouterr().out)["estimate"]["total"]
    assert (total["examples"], total["flops"]) == (0, 0)
    assert set(map(tuple, total["hours"].values())) == {(0, 0)}
    assert not output.exists()
