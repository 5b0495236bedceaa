import json

import numpy as np

from yt8m.cli import main
from yt8m.prediction.table import Predictions, write_predictions


def write_file(path, videos=3, simulated=False):
    none = np.empty(0, np.int32)
    write_predictions(path, Predictions(
        np.array([b"id%02d" % row for row in range(videos)]), none, none, none.astype(np.float32),
        np.zeros(videos + 1, int), np.tile(np.arange(20, dtype=np.int32), (videos, 1)),
        np.tile(np.linspace(0.9, 0.1, 20, dtype=np.float32), (videos, 1)),
        {"num_classes": 25, "simulated": simulated, "models": [{"name": "moe", "fingerprint": "f"}]},
    ))  # fmt: skip


def test_writes_and_says_what_it_wrote(tmp_path, capsys):
    write_file(tmp_path / "p.parquet", simulated=True)
    output = tmp_path / "s.csv"
    assert main(["submission", str(tmp_path / "p.parquet"), "-o", str(output)]) == 0
    text = capsys.readouterr().out
    assert "3 videos with 20 labels each by moe; not checked against an index (--index)" in text
    assert "made from simulated frames" in text
    assert f"wrote {output} ({output.stat().st_size:,} bytes)" in text
    first, *rows = output.read_text().splitlines()
    assert first == "VideoId,LabelConfidencePairs"
    assert len(rows) == 3
    assert rows[0].startswith("id00,0 0.900000 1 0.857895 ")


def test_says_what_the_model_weighs(tmp_path, capsys):
    write_file(tmp_path / "p.parquet")
    manifest = {
        "kind": "model", "architecture": "moe", "settings": {}, "level": "video", "num_classes": 25, "preset": {},
        "weights": {"bytes": 3 * 2**19}, "fingerprint": "f",
    }  # fmt: skip
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    arguments = ["submission", str(tmp_path / "p.parquet"), "-o", str(tmp_path / "s.csv"), "--model", str(tmp_path)]
    assert main(arguments) == 0
    assert "(--index); 1.5 of 1,024 MiB of weights" in capsys.readouterr().out


def test_prints_json(tmp_path, capsys):
    write_file(tmp_path / "p.parquet")
    assert main(["submission", str(tmp_path / "p.parquet"), "-o", str(tmp_path / "s.csv"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["videos"], result["complete"], result["output"]) == (3, False, str(tmp_path / "s.csv"))


def test_wrong_input_is_one_line(tmp_path, capsys):
    write_file(tmp_path / "p.parquet")
    arguments = ["submission", str(tmp_path / "p.parquet"), "-o", str(tmp_path / "s.csv"), "--index"]
    assert main([*arguments, str(tmp_path / "none.parquet")]) == 2
    assert main([*arguments, str(tmp_path / "p.parquet")]) == 2
    assert main(["submission", str(tmp_path / "none.parquet"), "-o", str(tmp_path / "s.csv")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "make one with `yt8m index`" in lines[0]
    assert "video_index is needed" in lines[1]
    assert "make one with `yt8m predict`" in lines[2]
    assert not (tmp_path / "s.csv").exists()
