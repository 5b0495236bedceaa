"""What a step is called, and why it failed: read from its last lines and from how it ended."""

import json
from typing import Any

import pytest

from targets.steps import Ended, cause_of, share_of_cores, step_title

TRACEBACK = ["Traceback (most recent call last):", '  File "x.py", line 1, in f']


@pytest.mark.parametrize(
    ("lines", "ended", "cause", "wrong_input"),
    [
        ([*TRACEBACK, "yt8m.errors.InputError: a.csv: no such file"], Ended(1), "a.csv: no such file", True),
        ([*TRACEBACK, "ValueError: of a defect", "a word after it"], Ended(1), "ValueError: of a defect", False),
        (["all is well"], Ended(137), "it was killed, most likely for want of memory", False),
        (["all is well"], Ended(-9), "it was killed, most likely for want of memory", False),
        ([], Ended(3), "exit code 3", False),
        (
            [*TRACEBACK, "ValueError: earlier"], Ended(137, out_of_memory=True),
            "it was killed: it asked for more memory than there is", False,
        ),
    ],
)  # fmt: skip
def test_the_cause_is_the_last_error_or_how_it_ended(
    lines: list[str], ended: Ended, cause: str, wrong_input: bool
) -> None:
    assert cause_of(lines, ended) == (cause, wrong_input)


@pytest.mark.parametrize(("jobs", "cores", "threads"), [(1, 8, None), (2, 8, "4"), (2, 1, "1")])
def test_steps_beside_each_other_share_the_cores(jobs: int, cores: int, threads: str | None) -> None:
    assert set(share_of_cores(jobs, cores).values()) == ({threads} if threads else set())


def executed(folder: str, parameters: dict[str, Any], **metadata: str) -> list[str]:
    """The command of a step with these parameters, and an input artifact with this metadata."""
    inputs = {"parameterValues": parameters, "artifacts": {"given": {"artifacts": [{"metadata": metadata}]}}}
    outputs = {"outputFile": f"{folder}/executor_output.json"}
    return ["python3", "--executor_input", json.dumps({"inputs": inputs, "outputs": outputs}), "--function", "f"]


@pytest.mark.parametrize(("command", "title"), [
    (executed("/r/for-loop-1-0/train", {"candidate": {"name": "a"}, "item": {"name": "a"}}), "train a"),
    (executed("/r/for-loop-1-0/train", {"candidate": {"name": "a"}}, candidate="a"), "train a"),
    (executed("/r/for-loop-1-0/predict", {"partition": "validate"}, candidate="b"), "predict validate b"),
    (executed("/r/rebalance", {"candidate": {"name": "a"}}), "rebalance"),
])  # fmt: skip
def test_a_step_in_a_loop_is_called_by_what_it_works_on_once(command: list[str], title: str) -> None:
    assert step_title(command, {"predict": "predict validate"}) == title
