"""The end of a run: files at fixed names, and a short table."""

import json
from pathlib import Path
from typing import Any

from targets.local import LocalRun
from targets.publish import FILES, report_run


def finished(tmp_path: Path, **changes: Any) -> tuple[LocalRun, Path]:
    rows = [
        {"name": "long-name-of-a-model", "gap": 0.61234, "hit_at_1": 0.7, "size_mb": 22.27, "seconds": 41.04},
        {"name": "b", "gap": 0.5, "hit_at_1": 0.65, "size_mb": 1162.6, "seconds": 5.0},
    ]
    summary = {
        "candidates": rows, "selected": "long-name-of-a-model", "simulated": True,
        "selection": {"videos": 12, "gaps": {"long-name-of-a-model": 0.6, "b": 0.5}},
        "promotion": {"promoted": True, "reason": "it is the first champion"}, **changes,
    }  # fmt: skip
    folder = tmp_path / "work" / "runs" / "yt8m-1"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_text(json.dumps(summary) if name == "summary.json" else f"<p>{name}</p>")
    return LocalRun({}, executed=5, reused=12), folder


def test_outputs_are_copied_and_named(tmp_path: Path) -> None:
    text = report_run(*finished(tmp_path), tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_text() == "<p>report.html</p>"
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["selected"] == "long-name-of-a-model"
    for name in ("report.html", "statistics.html", "submission.csv", "summary.html", "summary.json", "run.log"):
        assert str(tmp_path / "out" / name) in text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html", "statistics.html", "submission.csv", "summary.html", "summary.json", "validation.html",
    ]  # fmt: skip


def test_the_table_is_aligned_and_marks_the_choice(tmp_path: Path) -> None:
    lines = report_run(*finished(tmp_path), tmp_path / "out").splitlines()
    assert lines[1].split() == ["model", "GAP", "Hit@1", "MB", "seconds"]
    assert lines[2].split() == ["long-name-of-a-model", "0.6123", "0.7000", "22.3", "41.0", "<-", "selected"]
    assert lines[3].split() == ["b", "0.5000", "0.6500", "1162.6", "5.0"]
    ends = {lines[1].index("GAP") + 3, lines[2].index("0.6123") + 6, lines[3].index("0.5000") + 6}
    assert len(ends) == 1


def test_it_says_when_frames_are_simulated_and_what_was_reused(tmp_path: Path) -> None:
    text = report_run(*finished(tmp_path), tmp_path / "out")
    assert "frames are simulated" in text
    assert "12 of 17 steps were not repeated" in text
    assert "simulated" not in report_run(*finished(tmp_path, simulated=False), tmp_path / "out")


def test_it_says_what_the_choice_and_the_promotion_rest_on(tmp_path: Path) -> None:
    text = report_run(*finished(tmp_path), tmp_path / "out")
    assert "Chosen on the 12 videos of one half (GAP: long-name-of-a-model 0.6000, b 0.5000)." in text
    assert "Promoted: it is the first champion." in text
    refused = {"promoted": False, "reason": "its GAP 0.4 is not above the floor 0.5"}
    assert "Not promoted: its GAP 0.4" in report_run(*finished(tmp_path, promotion=refused), tmp_path / "out")
