import json
import subprocess
import sys

import numpy as np
import pytest

from yt8m.cli import main
from yt8m.prediction.table import Predictions, write_predictions


@pytest.fixture
def predictions(tmp_path):
    """Three videos, 25 classes, two true labels each, of which the second is ranked last."""
    n, classes, k = 3, 25, 20
    confidences = np.linspace(0.9, 0.1, classes, dtype=np.float32)
    table = Predictions(
        video_ids=np.array([b"aa", b"bb", b"cc"]),
        labels=np.array([0, 24] * n, np.int32), label_ranks=np.array([1, 25] * n, np.int32),
        label_confidences=confidences[[0, 24] * n], bounds=np.array([0, 2, 4, 6]),
        top_labels=np.tile(np.arange(k, dtype=np.int32), (n, 1)), top_confidences=np.tile(confidences[:k], (n, 1)),
        metadata={"num_classes": classes, "simulated": False, "models": [], "fingerprint": "f"},
    )  # fmt: skip
    write_predictions(tmp_path / "predictions.parquet", table)
    return str(tmp_path / "predictions.parquet")


def test_it_prints_the_summary_and_where_the_report_lies(predictions, tmp_path, capsys):
    assert main(["analyze", predictions, "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "GAP@20 is 0.500 (95 % interval 0.000 to 1.000) over 3 videos" in printed
    assert f"{tmp_path / 'out' / 'report.html'}" in printed
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")


def test_json(predictions, tmp_path, capsys):
    assert main(["analyze", predictions, "-o", str(tmp_path / "out"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["missed"]["ours"]["missed"] == 3
    assert result["output"] == str(tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["missing.parquet", "-o", "out"], "missing.parquet: no such file"),
        (["{predictions}", "-o", "out", "--vocabulary", "missing.csv"], "missing.csv: no such file"),
        (["{predictions}", "-o", "out", "--index", "{predictions}"], "this is predictions, video_index is needed"),
        (["{predictions}"], "-o/--output"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(arguments, problem, predictions, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["analyze", *(argument.format(predictions=predictions) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["analyze", "--help"])
    assert "yt8m analyze predictions.parquet --index" in capsys.readouterr().out


def test_it_needs_neither_keras_nor_tensorflow(predictions, tmp_path):
    code = (
        "import sys; sys.modules.update(keras=None, tensorflow=None); from yt8m.cli import main;"
        f"sys.exit(main(['analyze', {predictions!r}, '-o', {str(tmp_path / 'out')!r}]))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
