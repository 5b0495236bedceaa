"""`run`: its options, the record of a run, and resuming; `tests/end_to_end` runs the whole of it."""

import json
from pathlib import Path
from typing import Any

import pytest

import pipeline
from targets.local import RECORD, Request, read_request, write_request
from targets.run_command import SAMPLE


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_a_request_is_read_as_it_was_written(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"seed": 3, "candidates": [{"name": "a", "overrides": {"epochs": 2, "rate": 0.5}}]}
    for images in (None, {"data": "d:1", "trainer": "t:1"}):
        write_request(tmp_path, Request(arguments, 2, images), "running")
        assert read_request(tmp_path) == Request(arguments, 2, images)
        assert json.loads((tmp_path / RECORD).read_text())["state"] == "running"


def test_there_is_nothing_to_resume_where_nothing_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.main(["run", "--resume", "-o", str(tmp_path)]) == 2
    assert f"{tmp_path}: no run was started here" in last_line(capsys)
    (tmp_path / RECORD).write_text('{"arguments": {}}')
    assert pipeline.main(["run", "--resume", "-o", str(tmp_path)]) == 2
    assert "not the record of a run (no 'jobs')" in last_line(capsys)


@pytest.mark.parametrize(
    "option",
    [["--seed", "0"], ["--runner", "docker"], ["--max-frames", "64"], ["--source", "x"], ["--skip-bad-records"]],
)
def test_resume_refuses_other_arguments_even_defaults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert pipeline.main(["run", "--resume", "-o", str(tmp_path), *option]) == 2
    assert f"leave out {option[0]}, or run without --resume" in last_line(capsys)


def test_candidates_for_records_of_the_other_level_are_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.main(["run", "--source", str(SAMPLE), "-o", str(tmp_path / "out")]) == 2
    error = last_line(capsys)
    assert f"candidate 'netvlad-small': {SAMPLE}/train: video-level records" in error
    assert "choose a preset for these (logistic, mlp, mlp-labels, moe)" in error
    assert "overrides of level: video" in error
    assert not (tmp_path / "out").exists()


def test_docker_without_a_daemon_is_one_line_and_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    assert pipeline.main(["run", "--runner", "docker", "-o", "out", "--max-frames", "2"]) == 2
    assert "docker cannot be reached" in last_line(capsys)
    assert not (tmp_path / "out").exists()


def test_docker_takes_its_images_from_a_profile_that_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.main(["run", "--runner", "docker", "--profile", "live", "-o", str(tmp_path)]) == 2
    assert "there is no profile 'live'" in last_line(capsys)
