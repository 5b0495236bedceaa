"""`yt8m rebalance` as it is typed."""

import json
from pathlib import Path

import numpy as np
import pytest

from yt8m.cli import main
from yt8m.data.records.video_index import VideoIndex, write_index


@pytest.fixture
def index_file(tmp_path: Path) -> Path:
    labels = [[0], [0, 1], [0, 1, 2, 3], [978, 1200]]
    counts = [len(row) for row in labels]
    index = VideoIndex(
        video_ids=np.array([b"aaaa", b"bbbb", b"cccc", b"dddd"]),
        shard_numbers=np.full(4, -1, np.int32),
        offsets=np.full(4, -1, np.int64),
        lengths=np.zeros(4, np.int32),
        num_frames=np.zeros(4, np.int32),
        labels=np.array([label for row in labels for label in row], np.int32),
        bounds=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        level="labels",
    )
    write_index(tmp_path / "index.parquet", index)
    return tmp_path / "index.parquet"


def test_the_sizes_before_and_after(index_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "rebalance",
        str(index_file),
        "--recipe",
        "rare-then-all",
        "-o",
        str(tmp_path / "t"),
        "--batch-size",
        "2",
    ]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "recipe rare-then-all: 4 videos, batch 2"
    assert lines[1].split() == ["before", "rare", "all"]
    assert lines[3].split() == ["share", "of", "the", "videos", "100.00%", "25.00%", "100.00%"]
    assert lines[4].split() == ["examples", "an", "epoch", "4", "2", "4"]
    assert lines[5].split() == ["times", "the", "videos", "1.000", "0.500", "1.000"]
    assert lines[7].split() == ["share", "of", "rare", "labels", "22.22%", "100.00%", "22.22%"]
    assert lines[10].split() == ["steps", "an", "epoch", "2", "1", "2"]
    assert lines[-1] == f"wrote {tmp_path / 't'}"


def test_json(index_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exclude = ["--exclude", str(index_file)]
    assert main(["rebalance", str(index_file), "--recipe", "hard-x3", "-o", str(tmp_path / "t"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["recipe"], result["videos"], result["phases"][0]["examples"]) == ("hard-x3", 4, 8)
    assert main(["rebalance", str(index_file), "--recipe", "all", "-o", str(tmp_path / "u"), *exclude]) == 2
    assert "every video is also in an excluded index" in capsys.readouterr().err


def test_the_list_of_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebalance", "--list"]) == 0
    out = capsys.readouterr().out
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["rare-then-all", "rare labels until the training GAP has converged, then every video"] in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "an index is missing; see `yt8m rebalance --help`"),
        (["i.parquet"], "--recipe is missing"),
        (["i.parquet", "--recipe", "all"], "-o is missing"),
        (["i.parquet", "--recipe", "al", "-o", "t"], "there is no recipe 'al'"),
        (["i.parquet", "--recipe", "all", "-o", "t"], "i.parquet: no such file; make one with `yt8m index`"),
        (
            ["i.parquet", "--recipe", "all", "-o", "t", "--seed", "x"],
            "argument --seed: give a whole number of at least 0, not x",
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["rebalance", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "t").exists()
