"""`yt8m simulate` by hand."""

import json
from pathlib import Path

import pytest

from tests.data.records.made import SAMPLE
from yt8m.cli import main


def test_it_says_what_it_made_and_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", str(SAMPLE / "validate"), "--max-frames", "3", "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("566 videos with 1,696 simulated frames in 2 shards (")
    assert out.endswith(f": {tmp_path}/out\n")
    assert main([*arguments, "--workers", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "2 shards were there already"
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == 2


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["."], [str(SAMPLE / "validate"), "--max-frames", "0"], [str(SAMPLE / "validate"), "--seed", "-1"]],
)
def test_wrong_input_is_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *arguments, "-o", "out"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
