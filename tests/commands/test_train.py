import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yt8m.cli import main
from yt8m.data.records.video_index import read_index, write_index
from yt8m.evaluation.holdout_split import in_half

pytestmark = pytest.mark.usefixtures("plain_steps")

SAMPLE = Path(__file__).parents[2] / "sample"


@pytest.fixture
def inputs(tmp_path: Path, capsys: Any) -> list[str]:
    """The first arguments of `yt8m train`, on 64 real videos, and validated on 64 others."""
    names = ("index", "few", "validation", "training_set")
    index, few, validation, training_set = (str(tmp_path / f"{name}.parquet") for name in names)
    assert main(["index", str(SAMPLE / "train" / "validate0000.tfrecord"), "-o", index]) == 0
    write_index(few, read_index(index).take(np.arange(64)))
    write_index(validation, read_index(index).take(np.arange(64, 128)))
    assert main(["rebalance", few, "--recipe", "all", "-o", training_set]) == 0
    capsys.readouterr()
    return ["train", training_set, "--validation", validation, "--vocabulary", str(SAMPLE / "vocabulary.csv")]


def test_train_then_predict_by_hand(inputs: list[str], tmp_path: Path, capsys: Any) -> None:
    output = str(tmp_path / "run")
    settings = ["--preset", "logistic", "--set", "epochs=1", "--set", "batch_size=32", "-o", output]
    assert main([*inputs, *settings]) == 0
    text = capsys.readouterr().out
    assert "logistic: 4,452,886 parameters (17.8 MB in float32), 3,862 classes" in text
    assert "trained 2 steps, 64 examples" in text
    assert main([*inputs, *settings, "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["preset"]["batch_size"] == 32
    assert manifest["vocabulary_fingerprint"]

    predictions, judged = (str(tmp_path / f"{name}.parquet") for name in ("predictions", "judged"))
    validation = read_index(inputs[3])
    write_index(judged, validation.take(in_half(validation.video_ids, "selection")))
    assert main(["predict", output, judged, "-o", predictions, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["videos"], result["top"], result["models"]) == (len(read_index(judged)), 20, ["logistic"])
    assert main(["evaluate", predictions, "-o", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gap"] == pytest.approx(manifest["metrics"]["gap"], abs=1e-6)


def test_an_output_that_cannot_be_made_is_one_line(inputs: list[str], tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").write_text("")
    assert main([*inputs, "--preset", "logistic", "-o", str(tmp_path / "file" / "run")]) == 2
    error = capsys.readouterr().err
    assert "the folder cannot be made" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "netvlat"], ["netvlat", "netvlad-small"]),
        (["--preset", "logistic", "--set", "epoch=3"], ["'epoch'", "epochs"]),
        (["--preset", "logistic", "--set", "epochs"], ["--set epochs", "KEY=VALUE"]),
        (["--preset", "logistic", "--set", "model.l3=1"], ["'l3'", "l2"]),
        (["--preset", "logistic", "--set", "schedule.decays=1"], ["decays", "staircase"]),
        (["--preset", "logistic", "--set", "loss.name=hubert"], ["hubert", "huber"]),
        (["--preset", "netvlad-small"], ["video-level records", "netvlad-small"]),
        (["--preset", "logistic", "--num-classes", "10"], ["10 classes", "--num-classes"]),
        (["--preset", "logistic", "--export", "worst"], ["--export worst", "best or last"]),
        (["--preset", "logistic", "--source", "/no/such/folder"], ["/no/such/folder", "--source"]),
    ],
)
def test_wrong_arguments_are_one_line_and_leave_nothing(
    inputs: list[str], tmp_path: Path, capsys: Any, arguments: list[str], words: list[str]
) -> None:
    assert main([*inputs, *arguments, "-o", str(tmp_path / "run")]) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert error.startswith("yt8m: error: ")
    assert all(line.startswith("training on ") for line in before), "nothing else but what it is computed on"
    for word in words:
        assert word in error
    assert not (tmp_path / "run" / "model").exists()
