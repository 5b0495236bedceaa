"""Steps in forks of a warm process end, fail and die as they do in processes of their own."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.index_videos import index_videos
from components.train import train
from targets.steps import Ended, Step, cause_of
from targets.subprocess_runner import SubprocessRunner
from targets.warm import ROOT, is_component

EXECUTE = list(index_videos.pipeline_spec.deployment_spec["executors"]["exec-index-videos"]["container"]["command"])
BODY = """
import kfp
from kfp import dsl

def step() -> None:
    import os, resource, sys
    print(os.getcwd(), os.environ["PYTHONUNBUFFERED"], os.getpgrp() in (os.getpid(), os.getppid()), os.read(0, 1))
    print("to stderr", file=sys.stderr)
    print(os.environ["TMPDIR"] == os.path.dirname(os.path.dirname(__file__)))
    {}
"""


def command(last: str) -> list[str]:
    """The command of a component whose body ends with a line."""
    assert EXECUTE[:2] == ["sh", "-ec"]
    given = ["--executor_input", '{"outputs": {"outputFile": "/dev/null"}}', "--function_to_execute", "step"]
    return [*EXECUTE[:3], BODY.format(last), *given]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubprocessRunner]:
    runner = SubprocessRunner(str(tmp_path_factory.mktemp("scratch")), 1)
    yield runner
    runner.close()


def execute(runner: SubprocessRunner, last: str, *, alone: bool = False) -> tuple[int, list[str], int]:
    """Exit code, lines without the executor's own and the tracebacks', and memory; `alone` by the shell's command."""
    lines: list[str] = []
    shell = command(last)
    shell[2] += "true\n" if alone else ""
    ended = runner.execute(Step("step", "any", shell), lines.append)
    own = [line for line in lines if "KFP Executor" not in line and line[:1] not in (" ", "{", "}")]
    return ended.code, own, ended.memory or 0


@pytest.mark.parametrize(("last", "code"), [("pass", 0), ("raise SystemExit(3)", 3), ("1 / 0", 1)])
def test_a_fork_ends_as_a_subprocess_does(runner: SubprocessRunner, last: str, code: int) -> None:
    forked, lines, _ = execute(runner, last)
    alone, expected, _ = execute(runner, last, alone=True)
    assert (forked, lines) == (alone, expected)
    assert forked == code
    assert lines[:3] == [f"{os.getcwd()} 1 True b''", "to stderr", "True"]


def test_a_fork_that_is_killed_is_told_as_such(runner: SubprocessRunner) -> None:
    code, lines, _ = execute(runner, "os.kill(os.getpid(), 9)")
    assert code == -signal.SIGKILL
    assert cause_of(lines, Ended(code)) == ("it was killed, most likely for want of memory", False)


def test_it_sees_the_whole_output_and_memory_of_its_own(runner: SubprocessRunner) -> None:
    _, small, before = execute(runner, "pass")
    code, lines, memory = execute(runner, "print('x' * 300_000); b = bytearray(300_000_000)")
    assert code == 0
    assert len(max(lines, key=len)) == 300_000
    assert 250e6 < memory - before < 330e6
    assert len(small) == len(lines) - 1


def test_either_way_it_runs_this_checkout_s_code_wherever_it_is_started(
    runner: SubprocessRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yt8m").mkdir()
    (tmp_path / "yt8m" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    for alone in (False, True):
        code, said, _ = execute(runner, "import yt8m; print(yt8m.__file__)", alone=alone)
        assert code == 0
        assert said[-1] == str(ROOT / "yt8m" / "__init__.py")


@pytest.mark.parametrize("candidate", [{"overrides": {"engine": "jax"}}, {"preset": "mine.yaml"}])
def test_a_training_that_may_choose_its_engine_is_no_fork_of_a_process_that_has_one(
    runner: SubprocessRunner, candidate: dict[str, Any]
) -> None:
    own = json.dumps({"inputs": {"parameterValues": {"candidate": {"name": "a", "preset": "moe", **candidate}}}})
    words = [*EXECUTE[:3], BODY.format("pass"), "--executor_input", own, "--function_to_execute", "train"]
    assert runner._fork(Step("train", "any", words), 1) is None


def test_only_the_command_of_a_component_is_taken(runner: SubprocessRunner) -> None:
    """Whatever else a command does, such as installing packages, a fork would leave out."""

    @dsl.component(base_image="yt8m-data", packages_to_install=["numpy"], install_kfp_package=False)
    def installing() -> None:
        pass

    for component in (index_videos, train, installing):
        (executor,) = component.pipeline_spec.deployment_spec["executors"].values()
        assert is_component(list(executor["container"]["command"])) == (component is not installing)
    lines: list[str] = []
    code = runner.execute(Step("step", "yt8m-data", ["sh", "-c", "echo here"]), lines.append).code
    assert (code, lines) == (0, ["here"])


def test_a_step_that_is_being_started_when_the_run_is_stopped_is_stopped_too(tmp_path: Path) -> None:
    runner, ended = SubprocessRunner(str(tmp_path), 1), []
    step = threading.Thread(target=lambda: ended.append(execute(runner, "import time; time.sleep(60)")[0]))
    step.start()
    while not runner._warm:
        time.sleep(0.001)
    runner.stop()
    step.join(30)
    assert ended == [-signal.SIGTERM]
    runner.close()


@pytest.mark.parametrize("alone", [False, True])
def test_a_step_whose_run_ends_before_its_guardian_knows_of_it_never_begins(tmp_path: Path, alone: bool) -> None:
    run = (
        "import os, sys; from targets.subprocess_runner import Subprocess; from targets.warm import Warm\n"
        "shell, output = sys.argv[1:], os.dup(2)\n"
        f"step = Subprocess(shell, output, os.environ) if {alone} else Warm((), os.environ).start(shell, output)\n"
        "print(step.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    shell = command("import time; time.sleep(3600)")
    process = subprocess.Popen([sys.executable, "-c", run, *shell], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)})  # fmt: skip
    assert process.stdout
    assert process.stderr
    assert int(process.stdout.readline()) > 1
    assert select.select([process.stderr], [], [], 60)[0], "the step is still there"
    assert process.stderr.read() == b"", "it has begun"
    process.wait()


def test_without_the_warm_process_steps_are_subprocesses(tmp_path: Path) -> None:
    runner = SubprocessRunner(str(tmp_path), 1)
    assert execute(runner, "pass")[0] == 0
    runner._warm[()]._process.kill()
    runner._warm[()]._process.wait()
    assert execute(runner, "raise SystemExit(3)")[0] == 3
    runner.close()


def test_nothing_has_begun_before_a_fork() -> None:
    """No thread of Python, and no device of TensorFlow: they would be missing in the forks."""
    look = (
        "import importlib, pathlib, threading; from targets.warm import STEP, TRAINING, _prepare\n"
        "from yt8m.quiet import quiet_start\n"
        "names = [name.format(engine='tensorflow') for name in (*STEP, *TRAINING)]\n"
        "with quiet_start():\n    [importlib.import_module(name) for name in names]\n"
        "[_prepare(path.read_text()) for path in pathlib.Path('components').glob('*.py')]\n"
        "from tensorflow.python.eager import context\n"
        "from yt8m.code_version import code_version\n"
        "print(threading.active_count(), context.context()._initialized, code_version.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, cwd=ROOT,
                          env={**os.environ, "_KFP_RUNTIME": "true"}, check=True)  # fmt: skip
    assert done.stdout.split() == ["1", "False", "2"]
