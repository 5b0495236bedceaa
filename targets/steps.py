"""A step of a local run, whatever runs it: what it is called, what is shown of it, and why it failed."""

import importlib
import json
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kfp.local import status, task_handler_interface

from targets.journal import Journal, StepFailed
from yt8m.errors import InputError

PROGRESS = re.compile(r"\w[^\[\]{}]*: [\d,]+ .* a second\b.*")
OWN_ERROR = re.compile(r"(yt8m(?:\.\w+)+)\.(\w+): (.+)")
ANY_ERROR = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)\b.*")
KILLED = 137  # what a shell makes of SIGKILL
ATTEMPTS = 3  # of a step that is lost
QUICK = 1.5  # seconds; a step that takes no longer is shown by one line, at its end


@dataclass(frozen=True)
class Step:
    """A step ready to run: its name for people, its image, its command and its own environment."""

    title: str
    image: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a step ended.

    Attributes:
        code: its exit code.
        memory: its peak memory in bytes, if that was measured.
        out_of_memory: whether the kernel ended it for its memory.
        lost: whether something outside ended it, as a cluster takes a machine away: worth another attempt.
    """

    code: int
    memory: int | None = None
    out_of_memory: bool = False
    lost: bool = False


class Runner(Protocol):
    """Runs steps, several at a time, and can stop them."""

    def execute(self, step: Step, hear: Callable[[str], None]) -> Ended:
        """Run a step to its end; `hear` gets each line that it says, as it says it."""
        ...

    def stop(self) -> None:
        """Stop the steps that run, and start no other."""
        ...

    def close(self) -> None:
        """No step comes any more."""
        ...


class StepHandler(task_handler_interface.ITaskHandler):
    """Runs one step; `kfp.local` makes one a step."""

    def __init__(
        self, journal: Journal, runner: Runner, image: str, full_command: list[str], env_vars: dict[str, str] | None
    ):
        self.journal, self.runner = journal, runner
        self.step = Step(step_title(full_command, journal.titles), image, full_command, env_vars or {})
        self.tail: deque[str] = deque(maxlen=500)

    def run(self) -> status.Status:
        journal, title, begun = self.journal, self.step.title, time.monotonic()
        if journal.stopped:
            return status.Status.FAILURE
        announcement = threading.Timer(QUICK, journal.show, [f"{title} ..."])
        announcement.start()
        try:
            ended = self._execute()
        finally:
            announcement.cancel()
        if ended.code:
            cause, wrong_input = cause_of(self.tail, ended)
            journal.fail(StepFailed(title, cause, wrong_input, journal.log.name))
            return status.Status.FAILURE
        journal.executed += 1
        memory = "" if ended.memory is None else f", {ended.memory / 1e9:.1f} GB"
        journal.show(f"{title}: {time.monotonic() - begun:.1f} s{memory}")
        return status.Status.SUCCESS

    def _execute(self) -> Ended:
        for attempt in range(2, ATTEMPTS + 1):
            ended = self.runner.execute(self.step, self._hear)
            if not ended.lost:
                return ended
            self.journal.show(f"{self.step.title}: killed from outside; attempt {attempt} of {ATTEMPTS}")
        return self.runner.execute(self.step, self._hear)

    def _hear(self, line: str) -> None:
        self.tail.append(line)
        self.journal.note(self.step.title, line)
        if PROGRESS.fullmatch(line):
            self.journal.show(f"{self.step.title}: {line}")


def cause_of(lines: Iterable[str], ended: Ended) -> tuple[str, bool]:
    """The cause of a failure as one line, and whether it is wrong input: the end of the last traceback."""
    if ended.out_of_memory:
        return "it was killed: it asked for more memory than there is", False
    for line in reversed(list(lines)):
        if own := OWN_ERROR.fullmatch(line):
            return (own[3], True) if _is_wrong_input(own[1], own[2]) else (line, False)
        if ANY_ERROR.fullmatch(line):
            return line, False
    if ended.code in (KILLED, -signal.SIGKILL):
        return "it was killed, most likely for want of memory", False
    return f"exit code {ended.code}", False


def _is_wrong_input(module: str, name: str) -> bool:
    """Whether the error that a traceback ends with is one of the library's that a user can mend."""
    kind = getattr(importlib.import_module(module), name, None)
    return isinstance(kind, type) and issubclass(kind, InputError)


def step_title(command: list[str], titles: dict[str, str]) -> str:
    """What a step is called: its display name, and in a loop the candidate, training or experiment it works on."""
    step = json.loads(command[command.index("--executor_input") + 1])
    folder = Path(step["outputs"]["outputFile"]).parent
    title = titles.get(folder.name, folder.name)
    if not folder.parent.name.startswith("for-loop"):
        return title
    inputs = step.get("inputs", {})
    items = inputs.get("parameterValues", {}).values()
    names = [item["name"] for item in items if isinstance(item, dict) and "name" in item]
    for artifacts in inputs.get("artifacts", {}).values():
        names += [artifact.get("metadata", {}).get("candidate") for artifact in artifacts["artifacts"]]
    return " ".join([title, *dict.fromkeys(filter(None, names))])


def share_of_cores(jobs: int, cores: int) -> dict[str, str]:
    """The environment that keeps `jobs` steps beside each other to their share of the cores."""
    threads = str(max(1, cores // jobs))
    return {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads} if jobs > 1 else {}
