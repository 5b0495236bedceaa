"""Runs the pipeline on this machine by `kfp.local`: each step a subprocess, a line on its start and its end.

`kfp.local` prints everything that it and its steps say. Here that goes into a log file; what a person wants to see
goes to stderr. For that the subprocess handler of `kfp.local` is replaced by one of the same interface, which knows
the step's name, keeps its output apart from that of a step running beside it, and finds the cause of a failure.
"""

import builtins
import contextlib
import fcntl
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kfp import local
from kfp.dsl.base_component import BaseComponent
from kfp.local import status, subprocess_task_handler, task_handler_interface

from yt8m.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
CACHE_HIT = re.compile(r"Task (\S+) cache hit")
PROGRESS = re.compile(r"\w[^\[\]{}]*: [\d,]+ .* a second\b.*")
OWN_ERROR = re.compile(r"yt8m(?:\.\w+)+: (.+)")
ANY_ERROR = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)\b.*")
KILLED = 137
LOG = "run.log"
LOCK = ".lock"
QUICK = 1.5  # seconds; a step that takes no longer is shown by one line, at its end


class StepFailed(Exception):
    """A step failed.

    Attributes:
        title: the step.
        cause: one line.
        wrong_input: whether the step found its input wrong, so that the user can mend it.
        log: the file with all that the run said.
    """

    def __init__(self, title: str, cause: str, wrong_input: bool, log: str):
        super().__init__(f"step {title} failed: {cause}")
        self.title, self.cause, self.wrong_input, self.log = title, cause, wrong_input, log


@dataclass
class Journal:
    """What happens in a run, as lines for people and in full in a log file; safe for several threads.

    Attributes:
        log: the log file.
        titles: component or task name in the pipeline's specification -> what a step is called.
        environment: of the subprocesses.
    """

    log: TextIO
    titles: dict[str, str]
    environment: dict[str, str]
    started: float = field(default_factory=time.monotonic)
    executed: int = 0
    reused: int = 0
    stopped: bool = False
    failures: list[StepFailed] = field(default_factory=list)
    running: set[subprocess.Popen[str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, text: str) -> None:
        """A line for people, after the minutes and seconds since the start."""
        line = f"{self._clock()}  {text}\n"
        with self.lock:
            sys.stderr.write(line)  # not print(): kfp.local puts its own in place of it
            self.log.write(line)

    def note(self, title: str, line: str) -> None:
        """A line of a step's output, for the log."""
        with self.lock:
            self.log.write(f"{self._clock()}  [{title}] {line}\n")

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        return f"{minutes:3d}:{seconds:02d}"

    def reuse(self, task: str) -> None:
        """A task whose inputs have not changed."""
        self.reused += 1
        self.show(f"{self.titles.get(task, task)}: unchanged, result reused")

    def fail(self, failure: StepFailed) -> None:
        """A step that failed."""
        self.failures.append(failure)
        self.show(f"{failure.title}: failed")


@dataclass(frozen=True)
class LocalRun:
    """A finished run: its outputs by name as local paths, and how many steps ran and how many were reused."""

    outputs: dict[str, Path]
    executed: int
    reused: int


def run_locally(pipeline: BaseComponent, arguments: dict[str, Any], folder: Path, jobs: int) -> LocalRun:
    """Run a pipeline on this machine; steps whose inputs have not changed since an earlier run are not repeated.

    Args:
        pipeline: the pipeline.
        arguments: its parameters.
        folder: its `kfp` keeps artifacts and cache, its `run.log` gets all that the steps say.
        jobs: how many candidates run at a time; they share the cores.

    Raises:
        StepFailed: a step failed; when several did, the first.
        InputError: another run is at work in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="yt8m-") as scratch,
        _alone(folder),
        (folder / LOG).open("w", buffering=1, encoding="utf-8") as file,
    ):
        journal = Journal(file, _titles(pipeline), _environment(scratch, jobs))
        with _quiet(journal), _own_handler(journal), _stopping_steps(journal):
            local.init(
                runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "kfp"),
                workspace_root=os.path.join(scratch, "workspace"), enable_caching=True,
            )  # fmt: skip
            try:
                outputs = pipeline(**arguments).outputs
            except RuntimeError as error:
                raise (journal.failures or [StepFailed("pipeline", str(error), False, file.name)])[0] from error
    paths = {name: Path(artifact.path) for name, artifact in outputs.items()}
    return LocalRun(paths, journal.executed, journal.reused)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; it is free again when this process ends, however it ends."""
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{folder}: another run is at work here; wait for it, or give another --output") from error
        yield


def _titles(pipeline: BaseComponent) -> dict[str, str]:
    """Names of components (without `comp-`) and of tasks -> display names."""
    titles = {}
    specification = pipeline.pipeline_spec
    for dag in [specification.root, *specification.components.values()]:
        for name, task in dag.dag.tasks.items():
            title = task.task_info.name or name
            titles[name] = titles[task.component_ref.name.removeprefix("comp-")] = title
    return titles


def _environment(scratch: str, jobs: int) -> dict[str, str]:
    """Of the steps: this interpreter and this checkout first, temporary files of their own, a share of the cores."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    return {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": scratch,
        **({"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads} if jobs > 1 else {}),
    }


class _StepHandler(task_handler_interface.ITaskHandler):
    """Runs one step as a subprocess; `kfp.local` makes one a step."""

    journal: Journal

    def __init__(self, image: str, full_command: list[str], pipeline_root: str, runner: Any, env_vars: Any = None):
        self.command, self.env_vars = full_command, env_vars or {}
        self.title = _title(full_command, self.journal.titles)
        self.tail: deque[str] = deque(maxlen=500)

    def run(self) -> status.Status:
        journal, begun = self.journal, time.monotonic()
        if journal.stopped:
            return status.Status.FAILURE
        announcement = threading.Timer(QUICK, journal.show, [f"{self.title} ..."])
        announcement.start()
        code, memory = self._run()
        announcement.cancel()
        if code:
            journal.fail(self._failure(code))
            return status.Status.FAILURE
        journal.executed += 1
        journal.show(f"{self.title}: {time.monotonic() - begun:.1f} s, {memory / 1e9:.1f} GB")
        return status.Status.SUCCESS

    def _run(self) -> tuple[int, int]:
        """Exit code, and peak memory in bytes."""
        process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            errors="replace", bufsize=1, env={**self.journal.environment, **self.env_vars}, start_new_session=True,
        )  # fmt: skip
        self.journal.running.add(process)
        with process:
            for line in process.stdout or ():
                self._line(line.rstrip())
            _, code, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
        self.journal.running.discard(process)
        return process.returncode, usage.ru_maxrss * 1024

    def _line(self, line: str) -> None:
        self.tail.append(line)
        self.journal.note(self.title, line)
        if PROGRESS.fullmatch(line):
            self.journal.show(f"{self.title}: {line}")

    def _failure(self, code: int) -> StepFailed:
        cause, wrong_input = _cause(self.tail, code)
        return StepFailed(self.title, cause, wrong_input, self.journal.log.name)


def _cause(lines: deque[str], code: int) -> tuple[str, bool]:
    """The cause of a failure as one line, and whether it is wrong input: the end of the last traceback."""
    for line in reversed(lines):
        if own := OWN_ERROR.fullmatch(line):
            return own[1], True
        if ANY_ERROR.fullmatch(line):
            return line, False
    if code in (KILLED, -signal.SIGKILL):
        return "it was killed, most likely for want of memory", False
    return f"exit code {code}", False


def _title(command: list[str], titles: dict[str, str]) -> str:
    """What a step is called: its display name, and in the loop the candidate that it works on."""
    step = json.loads(command[command.index("--executor_input") + 1])
    folder = Path(step["outputs"]["outputFile"]).parent
    title = titles.get(folder.name, folder.name)
    if not folder.parent.name.startswith("for-loop"):
        return title
    inputs = step.get("inputs", {})
    names = [inputs.get("parameterValues", {}).get("candidate", {}).get("name")]
    for artifacts in inputs.get("artifacts", {}).values():
        names += [artifact.get("metadata", {}).get("candidate") for artifact in artifacts["artifacts"]]
    return " ".join([title, *filter(None, names)])


@contextlib.contextmanager
def _own_handler(journal: Journal) -> Iterator[None]:
    kept = subprocess_task_handler.SubprocessTaskHandler
    subprocess_task_handler.SubprocessTaskHandler = type("StepHandler", (_StepHandler,), {"journal": journal})
    try:
        yield
    finally:
        subprocess_task_handler.SubprocessTaskHandler = kept


@contextlib.contextmanager
def _quiet(journal: Journal) -> Iterator[None]:
    """Send what `kfp.local` prints and logs into the log file, and take from it which tasks were reused."""

    def watch(record: logging.LogRecord) -> bool:
        if hit := CACHE_HIT.match(record.getMessage()):
            journal.reuse(hit[1])
        return True

    root = logging.getLogger()
    kept = root.handlers[:], root.level, builtins.print
    root.handlers[:] = [logging.StreamHandler(journal.log)]
    root.setLevel(logging.INFO)
    root.addFilter(watch)
    try:
        with contextlib.redirect_stdout(journal.log), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(watch)
        root.handlers[:], level, builtins.print = kept[0], kept[1], kept[2]
        root.setLevel(level)


@contextlib.contextmanager
def _stopping_steps(journal: Journal) -> Iterator[None]:
    """On an interrupt or a termination, stop the steps as well; they then end as a failure does."""

    def stop(_number: int, _frame: Any) -> None:
        journal.stopped = True
        for process in list(journal.running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        raise KeyboardInterrupt

    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
