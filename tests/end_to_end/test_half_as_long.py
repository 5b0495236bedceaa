"""A model that was trained half as long, on real videos, is rightly called worse."""

import json
from pathlib import Path
from typing import Any

import pytest

from yt8m.cli import main

pytestmark = pytest.mark.usefixtures("plain_steps")

SAMPLE = Path(__file__).parents[2] / "sample"


def test_a_model_trained_half_as_long_is_called_worse(tmp_path: Path, capsys: Any) -> None:
    def path(name: str) -> str:
        return str(tmp_path / name)

    def run(*arguments: str) -> None:
        assert main(list(arguments)) == 0

    run("index", *(str(SAMPLE / "train" / f"validate000{shard}.tfrecord") for shard in "01"), "-o", path("train"))
    run("index", str(SAMPLE / "validate" / "validate0050.tfrecord"), "-o", path("validate"))
    run("rebalance", path("train"), "--recipe", "all", "-o", path("set"))
    for epochs in ("2", "4"):
        settings = ["--set", f"epochs={epochs}", "--set", "validate_every=4", "--export", "last"]
        run(
            "train",
            path("set"),
            "--validation",
            path("validate"),
            "--preset",
            "logistic",
            *settings,
            "-o",
            path(epochs),
        )
        run("predict", path(epochs), path("validate"), "-o", path(f"{epochs}.parquet"))
    capsys.readouterr()
    vocabulary = ["--vocabulary", str(SAMPLE / "vocabulary.csv")]
    run("compare", path("4.parquet"), path("2.parquet"), *vocabulary, "-o", path("comparison"), "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["verdict"] == "worse"
    assert result["high"] < 0
    assert result["a"]["gap"] > result["b"]["gap"]
