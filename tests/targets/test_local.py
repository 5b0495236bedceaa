"""Local runs: results, one line a step, causes of failures, reuse, interruption. Each runs real processes."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Dict, List, NamedTuple  # noqa: UP035

import pytest
from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from targets.journal import StepFailed
from targets.local import Request, read_request, run_locally
from yt8m.errors import InputError


@dsl.component(base_image="none", install_kfp_package=False)
def make(text: str, made: dsl.Output[dsl.Dataset]) -> None:
    print("making: 5 of 10 things, 1 s left, 3 a second")
    with open(made.path, "w") as file:
        file.write(text)


@dsl.component(base_image="none", install_kfp_package=False)
def work(candidate: Dict[str, Any], made: dsl.Input[dsl.Dataset], result: dsl.Output[dsl.Model]) -> None:  # noqa: UP006
    from yt8m.errors import InputError, RecordError

    kind = candidate["kind"]
    if kind == "wrong input":
        raise InputError(f"{candidate['name']}.tfrecord: no such file; check the path")
    if kind == "bad record":
        raise RecordError("a.tfrecord", 3, 99, "checksum differs")
    if kind == "defect":
        raise ZeroDivisionError("of a defect")
    if kind == "killed":
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "quits":
        raise SystemExit(3)
    from pathlib import Path

    Path(result.path).write_text(Path(made.path).read_text() + candidate["name"])
    result.metadata["candidate"] = candidate["name"]


@dsl.component(base_image="none", install_kfp_package=False)
def join(results: dsl.Input[List[dsl.Model]], joined: dsl.Output[dsl.Artifact]) -> None:  # noqa: UP006
    from pathlib import Path

    Path(joined.path).write_text(" ".join(Path(result.path).read_text() for result in results))


class Outputs(NamedTuple):
    joined: dsl.Artifact


@pytest.fixture
def pipeline() -> BaseComponent:
    @dsl.pipeline(name="small")
    def small(text: str, candidates: List[Dict[str, Any]]) -> Outputs:  # noqa: UP006
        made = make(text=text).set_display_name("make first")
        with dsl.ParallelFor(candidates) as candidate:
            worked = work(candidate=candidate, made=made.outputs["made"])
        joined = join(results=dsl.Collected(worked.outputs["result"]))
        return Outputs(joined=joined.outputs["joined"])

    return small


def candidates(**kinds: str) -> list[dict[str, str]]:
    return [{"name": name, "kind": kind} for name, kind in kinds.items()]


def run(pipeline: BaseComponent, folder: Path, text: str = "t", **kinds: str) -> Any:
    arguments = {"text": text, "candidates": candidates(**(kinds or {"a": "good", "b": "good"}))}
    return run_locally(pipeline, Request(arguments, jobs=2), folder)


def test_outputs_lines_and_log(pipeline: BaseComponent, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(pipeline, tmp_path)
    assert result.outputs["joined"].read_text() == "ta tb"
    assert (result.executed, result.reused) == (4, 0)
    printed = capfd.readouterr()
    assert printed.out == ""
    said = [line.split("  ", 2)[-1] for line in printed.err.splitlines()]
    lines = [line for line in said if not line.endswith(" ...")]  # of steps that take long on a busy machine
    assert lines[0] == "make first: making: 5 of 10 things, 1 s left, 3 a second"
    assert re.fullmatch(r"make first: \d+\.\d s, \d\.\d GB", lines[1])
    assert {line.split(":")[0] for line in lines} == {"make first", "work a", "work b", "join"}
    log = (tmp_path / "run.log").read_text()
    assert "[make first] making: 5 of 10 things" in log
    assert "Executing task" in log


def test_what_has_not_changed_is_reused_and_what_has_is_not(
    pipeline: BaseComponent, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = run(pipeline, tmp_path)
    capfd.readouterr()
    again = run(pipeline, tmp_path)
    assert (again.executed, again.reused) == (0, 4)
    assert again.outputs == first.outputs
    assert capfd.readouterr().err.count("unchanged, result reused") == 4
    other = run(pipeline, tmp_path, a="good", c="good")
    assert (other.executed, other.reused) == (2, 2)
    assert other.outputs["joined"].read_text() == "ta tc"
    assert run(pipeline, tmp_path, text="u").outputs["joined"].read_text() == "ua ub"


@pytest.mark.parametrize(
    ("kind", "cause", "wrong_input"),
    [
        ("wrong input", "b.tfrecord: no such file; check the path", True),
        ("bad record", "a.tfrecord: record 3 at byte 99: checksum differs; fetch the shard again", True),
        ("defect", "ZeroDivisionError: of a defect", False),
        ("killed", "it was killed, most likely for want of memory", False),
        ("quits", "exit code 3", False),
    ],
)
def test_a_failure_names_its_step_and_its_cause(
    pipeline: BaseComponent, tmp_path: Path, kind: str, cause: str, wrong_input: bool
) -> None:
    with pytest.raises(StepFailed) as failure:
        run(pipeline, tmp_path, a="good", b=kind)
    assert failure.value.title == "work b"
    assert failure.value.cause.startswith(cause)
    assert failure.value.wrong_input == wrong_input
    assert failure.value.log == str(tmp_path / "run.log")
    repaired = run(pipeline, tmp_path)
    assert repaired.outputs["joined"].read_text() == "ta tb"
    assert repaired.reused == 2


def test_kfp_s_own_handler_and_logging_are_put_back(pipeline: BaseComponent, tmp_path: Path) -> None:
    import builtins
    import logging

    from kfp.local import subprocess_task_handler

    before = (
        subprocess_task_handler.SubprocessTaskHandler, builtins.print, sys.stdout, logging.getLogger().handlers[:],
        logging.getLogger().filters[:], signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),
    )  # fmt: skip
    with pytest.raises(StepFailed):
        run(pipeline, tmp_path, a="defect", b="good")
    after = (
        subprocess_task_handler.SubprocessTaskHandler, builtins.print, sys.stdout, logging.getLogger().handlers[:],
        logging.getLogger().filters[:], signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),
    )  # fmt: skip
    assert before == after


def test_the_request_is_recorded_with_how_the_run_ended(pipeline: BaseComponent, tmp_path: Path) -> None:
    def state() -> str:
        return str(json.loads((tmp_path / "run.json").read_text())["state"])

    with pytest.raises(StepFailed):
        run(pipeline, tmp_path, a="defect")
    assert state() == "failed"
    assert read_request(tmp_path).arguments == {"text": "t", "candidates": candidates(a="defect")}
    run(pipeline, tmp_path, a="good")
    assert state() == "finished"


SLOW = """
    import sys
    from pathlib import Path
    from kfp import dsl
    from targets.local import run_locally
    from targets.local import Request

    @dsl.component(base_image="none", install_kfp_package=False)
    def sleep(number: int, folder: str) -> None:
        import os
        import time

        open(f"{folder}/{os.getpid()}.pid", "w").close()
        time.sleep(60)

    @dsl.pipeline(name="slow")
    def slow(folder: str):
        with dsl.ParallelFor([1, 2, 3]) as number:
            sleep(number=number, folder=folder)

    try:
        run_locally(slow, Request({"folder": sys.argv[1]}, jobs=2), Path(sys.argv[1]) / "run")
    except KeyboardInterrupt:
        sys.exit(130)
"""


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def slow_run(tmp_path: Path) -> Any:
    script = tmp_path / "slow.py"
    script.write_text(textwrap.dedent(SLOW))
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], cwd=Path(__file__).parents[2],
                               env={**os.environ, "PYTHONPATH": "."}, stderr=subprocess.DEVNULL)  # fmt: skip
    assert wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    yield process
    process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_the_steps_and_starts_no_other(slow_run: Any, tmp_path: Path, number: int) -> None:
    slow_run.send_signal(number)
    assert slow_run.wait(20) == 130
    started = [int(path.stem) for path in tmp_path.glob("*.pid")]
    assert len(started) == 2
    assert wait_for(lambda: not any(Path(f"/proc/{process}").exists() for process in started), 5)


def test_steps_end_with_a_run_that_is_killed(slow_run: Any, tmp_path: Path) -> None:
    """And so do the processes that helped: the guardian, the warm one and those between."""
    started = [int(path.stem) for path in tmp_path.glob("*.pid")]
    assert len(started) == 2
    helpers = descendants(slow_run.pid)
    assert len(set(helpers) - set(started)) >= 4
    slow_run.kill()
    slow_run.wait()
    assert wait_for(lambda: not any(Path(f"/proc/{process}").exists() for process in [*started, *helpers]), 15)


def descendants(process: int) -> list[int]:
    """The processes that a process has started, theirs, and so on."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def test_a_second_run_in_the_same_folder_is_refused(slow_run: Any, tmp_path: Path, pipeline: BaseComponent) -> None:
    with pytest.raises(InputError, match="another run is at work here"):
        run(pipeline, tmp_path / "run")
    assert read_request(tmp_path / "run").arguments == {"folder": str(tmp_path)}
    assert run(pipeline, tmp_path / "other").executed == 4
