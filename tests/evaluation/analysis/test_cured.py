import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.drawn import World
from yt8m.cli import main
from yt8m.errors import InputError
from yt8m.evaluation.analysis.analyze import analyze
from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.prediction.table import read_predictions, taken, write_predictions


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions of 200 videos by a worse and by a better model, the second in another order of the videos."""
    world = World(200, 120)
    before, now = world.predictions(1, noise=2.0), world.predictions(2, noise=0.3)
    write_predictions(tmp_path / "before.parquet", before)
    write_predictions(tmp_path / "now.parquet", taken(now, np.random.default_rng(0).permutation(200)))
    return tmp_path / "before.parquet", tmp_path / "now.parquet"


def missed_in(path: Path) -> set[tuple[bytes, int]]:
    table = read_predictions(path)
    rows = table.label_rows
    return {(table.video_ids[rows[i]], int(table.labels[i])) for i in np.flatnonzero(table.label_ranks > 20)}


def test_what_was_missed_and_is_found_is_counted_by_its_cause(
    tables: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, now = tables
    words = ["analyze", str(now), "--before", str(before), "-o", str(tmp_path / "out")]
    assert main(words) == 0
    assert "Of the labels missed before are found now, by the cause: " in capsys.readouterr().out
    assert "What was cured" in (tmp_path / "out" / "report.html").read_text()
    rows = json.loads((tmp_path / "out" / "analysis.json").read_text())["cured"]["rows"]
    assert [row["cause"] for row in rows] == list(CAUSES)
    sums = {key: sum(row[key] for row in rows) for key in ("missed_before", "cured", "newly_missed", "missed_now")}
    then, here = missed_in(before), missed_in(now)
    assert sums == {"missed_before": len(then), "cured": len(then - here), "newly_missed": len(here - then),
                    "missed_now": len(here)}  # fmt: skip
    assert sums["cured"] > sums["newly_missed"] > 0
    assert [row["missed_before"] for row in rows] == explain(read_evaluated(before)).counts.tolist()


def test_predictions_of_other_videos_are_refused(tables: tuple[Path, Path], tmp_path: Path) -> None:
    table = read_predictions(tables[0])
    others = replace(table, video_ids=np.array([b"x%05d" % row for row in range(len(table))]))
    write_predictions(tmp_path / "others.parquet", others)
    with pytest.raises(InputError, match="the predictions are of different videos"):
        analyze(tables[1], tmp_path / "out", before=tmp_path / "others.parquet")
