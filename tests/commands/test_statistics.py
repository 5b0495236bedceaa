"""`yt8m statistics` as it is typed, on the real sample."""

import json
from pathlib import Path

import pytest

from yt8m.cli import main

SAMPLE = Path(__file__).parent.parent.parent / "sample"


@pytest.fixture
def index_file(tmp_path: Path) -> Path:
    path = tmp_path / "index.parquet"
    assert main(["index", str(SAMPLE / "train"), "-o", str(path)]) == 0
    return path


def test_the_main_numbers(index_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "statistics"
    arguments = ["statistics", str(index_file), "--vocabulary", str(SAMPLE / "vocabulary.csv"), "-o", str(out)]
    capsys.readouterr()
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "vocabulary, index below 900  89.19% of the occurrences" in text
    assert "11,711,620 occurrences" in text
    assert text.endswith(f"wrote {out}\n")
    assert sorted(path.name for path in out.iterdir()) == ["statistics.html", "statistics.json"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {**json.loads((out / "statistics.json").read_text()), "output": str(out)} == result
    assert result["labels_per_video"] == pytest.approx(3, abs=0.2)
    assert result["verticals"][0]["vertical"] == "Arts & Entertainment"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("missing.parquet", [], "missing.parquet: no such file; make one with `yt8m index`"),
        (
            "index.parquet",
            ["--vocabulary", "none.csv"],
            "none.csv: no such file; use the vocabulary.csv of the dataset",
        ),
    ],
)
def test_wrong_input(
    index_file: Path, capsys: pytest.CaptureFixture[str], name: str, options: list[str], message: str
) -> None:
    capsys.readouterr()
    folder = index_file.parent
    assert main(["statistics", str(folder / name), *options, "-o", str(folder / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "out").exists()
