"""Why a step failed, read from its last lines and from how it ended."""

import pytest

from targets.steps import Ended, cause_of, share_of_cores

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
