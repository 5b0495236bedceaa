from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yt8m.reproduction.apart import CommandFailed, command
from yt8m.reproduction.trainings import Trainings
from yt8m.reproduction.work import open_work


def test_processes_of_their_own_come_to_the_same_predictions(
    finished: tuple[Path, Any], arguments: dict[str, Any], tmp_path: Path
) -> None:
    work = open_work("tiny", finished[0], **arguments)
    paper = replace(work.paper, scale=replace(work.paper.scale, separate_processes=True))
    apart = Trainings(str(tmp_path), paper, work.data).train("plain", 0)
    here = work.trainings.train("plain", 0)
    assert Path(apart.predictions).read_bytes() == Path(here.predictions).read_bytes()
    assert {**apart.record, "seconds": 0} == {**here.record, "seconds": 0}


def test_a_command_that_fails_says_how_and_why() -> None:
    with pytest.raises(CommandFailed, match=r"yt8m evaluate ended with exit code 2: yt8m: error: nowhere.parquet: no"):
        command("evaluate", "nowhere.parquet", "-o", "nowhere")
