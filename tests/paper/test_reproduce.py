import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.forks import Forks
from tests.paper.conftest import command
from yt8m.errors import InputError
from yt8m.paper.reproduce import reproduce
from yt8m.paper.trainings import Trainings
from yt8m.paper.work import Work, open_work
from yt8m.prediction.table import read_predictions

pytestmark = pytest.mark.usefixtures("plain_steps")


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.glob("trainings/*/*.parquet"))}


def test_a_failing_experiment_stands_in_its_place_and_the_others_go_on(finished: tuple[Path, Any]) -> None:
    folder, result = finished
    assert result["failing"]["verdict"] == "not run"
    assert "no-such-preset" in result["failing"]["cause"]
    assert result["imbalance"]["ours"]["below_900"] == pytest.approx(0.8919, abs=1e-4)
    row = result["tripling"]
    assert row["ours"]["difference"] == pytest.approx(row["ours"]["tripled"] - row["ours"]["plain"])
    assert row["interval"][0] <= row["ours"]["difference"] <= row["interval"][1]
    assert row["verdict"] in ("better", "worse", "cannot tell")
    page = (folder / "paper.html").read_text()
    assert "no-such-preset" in page
    assert page.index("How it was run") < page.rindex("Answers")


def test_nothing_that_is_finished_is_repeated(finished: tuple[Path, Any], arguments: dict[str, Any]) -> None:
    folder, result = finished
    before = times(folder)
    assert len(before) == 4
    assert reproduce("tiny", folder, **arguments) == result
    assert times(folder) == before


def test_processes_of_their_own_come_to_the_same_predictions(
    finished: tuple[Path, Any], arguments: dict[str, Any], tmp_path: Path
) -> None:
    work = open_work("tiny", finished[0], **arguments)
    paper = replace(work.paper, scale=work.paper.scale.model_copy(update={"separate_processes": True}))
    apart = Trainings(str(tmp_path), paper, work.data).train("plain", 0)
    here = work.trainings.train("plain", 0)
    # A process that has run other models differs from a fresh one by the last bit of a sum.
    ours, theirs = read_predictions(apart.predictions), read_predictions(here.predictions)
    np.testing.assert_array_equal(ours.video_ids, theirs.video_ids)
    np.testing.assert_allclose(ours.top_confidences, theirs.top_confidences, atol=1e-5)
    assert {**apart.record, "seconds": 0} == {**here.record, "seconds": 0}


def test_results_of_other_shards_under_the_same_names_are_not_taken(
    finished: tuple[Path, Any], arguments: dict[str, Any], tmp_path: Path
) -> None:
    moved = tmp_path / Path(arguments["train"][0]).name
    shutil.copyfile(arguments["train"][0], moved)

    def opened() -> Work:
        return open_work("tiny", finished[0], **{**arguments, "train": [str(moved)]})

    tripling = opened().paper.experiments["tripling"]
    assert opened().kept(tripling), "the same content elsewhere is the same data"
    moved.write_bytes(moved.read_bytes()[:-1] + b"\0")
    assert opened().kept(tripling) is None
    moved.unlink()
    assert opened().kept(tripling) is None
    assert opened().kept(opened().paper.experiments["imbalance"]), "it reads no shard"


def test_a_missing_partition_is_reported_and_what_needs_none_goes_on(arguments: dict[str, Any], tmp_path: Path) -> None:
    result = reproduce("tiny", tmp_path, **{**arguments, "validation": [str(tmp_path / "nowhere")]})
    assert "nowhere" in result["tripling"]["cause"]
    assert result["imbalance"]["verdict"] == "exact"


def test_a_training_without_memory_is_reported(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve(*_: object, **__: object) -> None:
        raise MemoryError("12 GB are asked for")

    monkeypatch.setattr("yt8m.paper.trainings.carry_out_here", starve)
    result = reproduce("tiny", tmp_path, **arguments, only=["tripling", "imbalance"])
    assert result["tripling"]["cause"] == "plain, seed 0: the memory does not suffice (12 GB are asked for)"
    assert result["imbalance"]["verdict"] == "exact"


def test_a_killed_run_keeps_what_is_finished_and_ends_as_the_others_do(
    finished: tuple[Path, Any], arguments: dict[str, Any], forks: Forks, tmp_path: Path
) -> None:
    line = [*command(arguments, tmp_path), "--seeds", 1]
    process = forks.start(line)
    process.wait_until(lambda: list(tmp_path.glob("trainings/*/done.json")))
    process.kill()
    kept = {str(path): path.stat().st_mtime_ns for path in tmp_path.glob("trainings/*/done.json")}
    assert kept
    forks.run(line)
    ended, others = (json.loads((folder / "experiments" / "tripling.json").read_text())["seeds"]
                     for folder in (tmp_path, finished[0]))  # fmt: skip
    assert ended == others[:1]
    after = {str(path): path.stat().st_mtime_ns for path in tmp_path.glob("trainings/*/done.json")}
    assert kept.items() <= after.items()


def test_missing_shards_and_unknown_experiments_are_refused_in_one_line(
    shards: dict[str, str], plan: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--train is missing"):
        reproduce("tiny", tmp_path, plan=plan)
    with pytest.raises(InputError, match="there are imbalance, failing, tripling"):
        reproduce("tiny", tmp_path, plan=plan, train=["x"], validation=["y"], only=["figure-9"])
