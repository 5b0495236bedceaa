"""What happens in a local run: lines for people on stderr, all that the steps say in a log file, and the failures."""

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TextIO


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
        executed, reused: how many steps so far.
        stopped: whether the run was interrupted.
        failures: the steps that failed, in order.
    """

    log: TextIO
    titles: dict[str, str]
    started: float = field(default_factory=time.monotonic)
    executed: int = 0
    reused: int = 0
    stopped: bool = False
    failures: list[StepFailed] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, text: str) -> None:
        """A line for people, after the minutes and seconds since the start."""
        line = f"{self._clock()}  {text}\n"
        with self.lock:
            if sys.stderr is not None:
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
