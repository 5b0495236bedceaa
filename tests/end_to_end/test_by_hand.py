"""The steps by hand as docs/commands.md has them, word for word, but of few frames, a small model, a short training."""

import json
from pathlib import Path

import pytest

from tests.targets.test_docs import ROOT, commands
from yt8m import cli

pytestmark = pytest.mark.usefixtures("plain_steps")

SETTINGS = ("epochs=0.1", "model.clusters=4", "model.hidden=64", "frames.train.count=8", "frames.predict.count=8")
SHORT = {
    "simulate": ["--max-frames", "16"],
    "train": [word for setting in SETTINGS for word in ("--set", setting)],
    "promote": ["--floor", "0"],
}


def test_the_commands_by_hand_go_from_records_to_a_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sample").symlink_to(ROOT / "sample")
    monkeypatch.chdir(tmp_path)
    typed = [words for program, words in commands((ROOT / "docs" / "commands.md").read_text()) if program == "yt8m "]
    assert [words[0] for words in typed] == [
        "simulate", "simulate", "index", "index", "statistics", "rebalance", "train", "predict", "evaluate", "analyze",
        "promote",
    ]  # fmt: skip
    for words in typed:
        code = cli.main([*words, *SHORT.get(words[0], [])])
        assert code == 0, f"{words}: {capsys.readouterr().err}"
    assert json.loads(Path("build/evaluation/metrics.json").read_text())["videos"] == 566
    assert Path("build/analysis/report.html").exists()
    assert "promoted, because" in capsys.readouterr().out
