"""What a step is called, and why it failed: read from its last lines and from how it ended."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp.local import subprocess_task_handler, task_dispatcher

from targets.steps import Ended, cause_of, share_of_cores, step_title
from yt8m import errors

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


RAISING = """
import importlib, sys
kind = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
error = kind.__new__(kind)
error.args = ("a.csv: what is wrong",)
kind.__str__ = Exception.__str__
raise error
"""


def own_errors() -> dict[str, bool]:
    """The library's kinds of errors by their whole names, each with whether a user can mend it."""
    bases: dict[str, tuple[str, list[str]]] = {}
    for file in Path(errors.__file__).parent.rglob("*.py"):
        module = ".".join(file.relative_to(Path(errors.__file__).parents[1]).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ClassDef) and node.bases and re.search("Error|Exception", ast.unparse(node)[:200]):
                bases[node.name] = module, [ast.unparse(base) for base in node.bases]

    def mendable(name: str) -> bool:
        return name == "InputError" or any(mendable(base) for base in bases.get(name, ("", []))[1])

    return {f"{module}.{name}": mendable(name) for name, (module, of) in bases.items()
            if any(base in bases or base in ("Exception", "ValueError") for base in of)}  # fmt: skip


def test_of_the_library_s_own_errors_those_are_wrong_input_that_a_user_can_mend() -> None:
    """What a step says at its end, and what a run here takes from it."""
    found = own_errors()
    assert {"yt8m.errors.RecordError", "yt8m.errors.WriteConflict"} <= {
        name for name, mendable in found.items() if mendable
    }
    assert "yt8m.data.records.tfrecord.FramingError" in found
    for name, mendable in found.items():
        module, _, kind = name.rpartition(".")
        said = subprocess.run(
            [sys.executable, "-c", RAISING, module, kind], capture_output=True, text=True, check=False
        )
        cause, wrong_input = cause_of(said.stderr.splitlines(), Ended(1))
        assert (cause.endswith("a.csv: what is wrong"), wrong_input) == (True, mendable), said.stderr


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


def test_kfp_makes_a_step_s_handler_as_ours_is_made() -> None:
    """`targets/local.py` puts its own in the place of this class, which kfp looks up anew for each step."""
    assert "subprocess_task_handler.SubprocessTaskHandler" in inspect.getsource(task_dispatcher)
    made = inspect.signature(subprocess_task_handler.SubprocessTaskHandler)
    assert {"image", "full_command", "env_vars"} <= set(made.parameters)
