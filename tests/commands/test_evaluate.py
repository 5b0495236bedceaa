import json

import numpy as np

from yt8m.cli import main
from yt8m.prediction.table import Predictions, write_predictions


def write_file(path, labelled=True):
    """Five videos of 1,000 classes; each has its most confident label and, the last, one that the top 20 misses."""
    confidences = np.tile(np.linspace(0.9, 0.1, 20, dtype=np.float32), (5, 1))
    labels = [0, 1, 2, 3, 4, 999] if labelled else []
    bounds = np.array([0, 1, 2, 3, 4, 6] if labelled else [0] * 6)
    write_predictions(path, Predictions(
        np.array([b"a", b"b", b"c", b"d", b"e"]), np.array(labels, np.int32),
        np.array([1, 1, 1, 1, 1, 400][: len(labels)], np.int32),
        np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.01][: len(labels)], np.float32), bounds,
        np.arange(5)[:, None] + np.arange(20), confidences,
        {"num_classes": 1000, "simulated": True, "models": [{"name": "netvlad-small"}, {"name": "moe"}]},
    ))  # fmt: skip


def test_prints_tables_and_writes_metrics(tmp_path, capsys):
    write_file(tmp_path / "p.parquet")
    assert main(["evaluate", str(tmp_path / "p.parquet"), "-o", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "netvlad-small + moe on 5 videos with 6 true labels; the frames are simulated" in text
    assert "videos whose top 20 misses a label       1  20.00%  117,410  10.56%" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert {"MAP 0.83333", "MAP from label 977 0.00000"} < set(lines)
    assert "GAP@20 0.83333" in " ".join(lines)
    assert "978 and up 0.00000 0.00000 to 1.00000 0.00000 0.00000 0.00000 1 1" in lines
    assert "expected calibration error" in text
    assert "vertical" not in text
    assert json.loads((tmp_path / "out/metrics.json").read_text())["hit_at_1"] == 1.0


def test_prints_json(tmp_path, capsys):
    write_file(tmp_path / "p.parquet")
    assert main(["evaluate", str(tmp_path / "p.parquet"), "-o", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.pop("output") == str(tmp_path / "metrics.json")
    assert result == json.loads((tmp_path / "metrics.json").read_text())


def test_wrong_input_is_one_line(tmp_path, capsys):
    write_file(tmp_path / "p.parquet", labelled=False)
    assert main(["evaluate", str(tmp_path / "p.parquet"), "-o", str(tmp_path)]) == 2
    assert main(["evaluate", str(tmp_path / "none.parquet"), "-o", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "has labels (the test partition?)" in lines[0]
    assert "no such file" in lines[1]


def test_training_index_and_vocabulary_add_what_they_know(tmp_path, capsys):
    write_file(tmp_path / "p.parquet")
    rows = [f"{label},{1000 - label},name {label},{'Games' if label < 3 else 'Sports'}" for label in range(1000)]
    (tmp_path / "v.csv").write_text("\n".join(["Index,TrainVideoCount,Name,Vertical1", *rows]))
    options = ["--vocabulary", str(tmp_path / "v.csv"), "-o", str(tmp_path)]
    assert main(["evaluate", str(tmp_path / "p.parquet"), *options]) == 0
    text = capsys.readouterr().out
    assert "Games" in text
    assert "100 to 999" in text
    assert json.loads((tmp_path / "metrics.json").read_text())["training_counts"] == "the vocabulary"
