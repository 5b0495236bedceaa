"""`yt8m models` prints a table, or JSON."""

import json
import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from yt8m.cli import main


def test_the_table_has_a_line_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["name", "model", "parameters"]
    assert len({len(line) for line in lines}) == 1
    (row,) = (line.split() for line in lines if line.startswith("paper-netvlad "))
    assert row == ["paper-netvlad", "netvlad", "290,654,968", "1,162.6", "no", "581.4", "yes", "300", "831.1"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--classes", "10", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["num_classes"] == 10
    assert result["limit_bytes"] == 2**30
    assert {"name", "parameters", "megabytes", "under_limit", "flops"} <= set(result["models"][0])


def test_wrong_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--classes", "0"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("yt8m: error: the number of classes must be at least 1")
