import json

import pytest

from tests.drawn import World
from yt8m.cli import main
from yt8m.prediction.table import write_predictions


@pytest.fixture
def files(tmp_path):
    world = World(1_000, 100)
    for name, noise in (("weak", 1.0), ("strong", 0.3)):
        write_predictions(tmp_path / f"{name}.parquet", world.predictions(len(name), noise, simulated=True))
    return [str(tmp_path / f"{name}.parquet") for name in ("weak", "strong")]


@pytest.mark.parametrize(("order", "verdict"), [(1, "better"), (-1, "worse")])
def test_the_verdict_comes_first(files, tmp_path, capsys, order, verdict):
    assert main(["compare", *files[::order], "-o", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"B is {verdict} than A: GAP@20 0.")
    assert "The frames are simulated." in lines
    assert (tmp_path / "out" / "compare.html").exists()


def test_prints_json(files, tmp_path, capsys):
    assert main(["compare", *files, "-o", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.pop("output") == str(tmp_path)
    assert result == json.loads((tmp_path / "compare.json").read_text())


def test_a_missing_file_is_one_line(files, tmp_path, capsys):
    assert main(["compare", files[0], str(tmp_path / "none.parquet"), "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
