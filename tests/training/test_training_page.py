"""The page of a training: what it shows, of long, short and odd histories."""

import re
from pathlib import Path
from typing import Any

import pytest

from yt8m.training.training_page import render_training, write_training_page


def record(rows: int, **changes: Any) -> dict[str, Any]:
    """Of a training whose validation GAP rises and falls again."""
    history = [
        {
            "phase": "all", "step": 10 * n, "epoch": n / 10, "examples": 1600 * n, "learning_rate": 0.01 * 0.8**n,
            "loss": 20 / n, "penalty": 0.1, "training_gap": n / (n + 1), "validation_gap": 0.5 - abs(n / rows - 0.5),
            "validation_hit_at_1": 0.7, "validation_perr": 0.6, "validation_map": 0.3,
            "all_gap": 0.4321 if n == rows else None,
        }
        for n in range(1, rows + 1)
    ]  # fmt: skip
    timing = [
        {"step": row["step"], "seconds": 20.0 * n, "examples_per_second": 100.0, "validation_seconds": 5.0,
         "validation_share": 0.25, "waited_seconds": 0.1, "waiting_share": 0.01}
        for n, row in enumerate(history, 1)
    ]  # fmt: skip
    curve = [[n, 20 / n, 0.01] for n in range(1, 10 * rows)]
    about = {"title": "Training of <netvlad>", "facts": {"Seed": "3"}, "simulated": False}
    return {"rows": history, "timing": timing, "curve": curve, **about, **changes}


@pytest.mark.parametrize("rows", [1, 2, 40, 200])
def test_it_shows_the_curves_and_every_validation(rows: int) -> None:
    page = render_training(record(rows))
    for title in ("GAP on training and validation videos", "Loss", "Learning rate", "Throughput", "Every validation"):
        assert title in page
    assert "all videos: 0.4321" in page
    assert page.count("<tr") == rows + 1
    assert "Training of &lt;netvlad&gt;" in page
    assert "1.0\N{NO-BREAK SPACE}%" in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_simulated_frames_are_named() -> None:
    assert "simulated" not in render_training(record(2)).lower()
    assert "simulated" in render_training(record(2, simulated=True)).lower()


def test_odd_numbers_do_not_break_it() -> None:
    """No waiting at all, a loss of zero, no curve, a rate of zero."""
    odd = record(3, curve=[])
    for row, timing in zip(odd["rows"], odd["timing"], strict=True):
        row["loss"] = row["learning_rate"] = 0.0
        timing["waiting_share"] = timing["waited_seconds"] = timing["examples_per_second"] = 0.0
    assert "Learning rate" in render_training(odd)


def test_it_is_written_into_the_folder(tmp_path: Path) -> None:
    write_training_page(tmp_path, record(2))
    assert (tmp_path / "training.html").read_text() == render_training(record(2))
