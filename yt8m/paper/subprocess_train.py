"""A training and its prediction as two commands: each has its memory to itself, and ends alone when it dies."""

import json
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from yt8m.errors import InputError, Interrupted
from yt8m.storage import read_json
from yt8m.training.interruption import Interruption

LINES = 3
KILLED, STOPPED = -9, 75


class CommandFailed(InputError):
    """A command that ended badly; the message has the end of what it said."""


def carry_out_in_subprocess(
    inputs: tuple[str, str], preset: str, settings: dict[str, Any], seed: int, folder: Path, work_root: str | None
) -> dict[str, Any]:
    """Train and predict in processes of their own; see `trainings.carry_out_here`.

    Raises:
        InputError: one of them ended badly.
    """
    training_set, validation = inputs
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    options += ["--work-root", work_root] if work_root else []
    command("train", training_set, "--validation", validation, "--preset", preset, *options, "--seed", seed,
            "--export", "last", "-o", folder)  # fmt: skip
    command("predict", folder, validation, "-o", folder / "predictions.parquet")
    manifest: dict[str, Any] = read_json(folder / "model" / "model.json")
    return manifest


def command(*words: Any) -> None:
    """Run a command of yt8m to its end; a request to stop is handed on to it, and it ends when this process does.

    Raises:
        CommandFailed: it ended badly.
        Interrupted: it was stopped by a signal, and goes on where it was when it is run again.
    """
    with _Stopping() as stopping:
        process = subprocess.Popen([sys.executable, "-P", "-m", "yt8m.with_parent", *map(str, words)], text=True,
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)  # fmt: skip
        with process:
            stopping.hand_on_to(process)
            said = deque(process.stderr or (), maxlen=LINES)
    if process.returncode == STOPPED or (process.returncode and stopping.requested):
        raise Interrupted(f"yt8m {words[0]} was stopped by {stopping.requested or 'SIGTERM'}")
    if process.returncode:
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
        memory = " (killed, as when memory does not suffice)" if process.returncode == KILLED else ""
        raise CommandFailed(f"yt8m {words[0]} ended with {how}{memory}: {' '.join(line.strip() for line in said)}")


class _Stopping(Interruption):
    """Hands a request to stop on to a process, also one that came before the process was there."""

    def __init__(self) -> None:
        super().__init__()
        self._process: subprocess.Popen[str] | None = None

    def hand_on_to(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if self.requested:
            process.terminate()

    def _note(self, number: int, frame: Any) -> None:
        super()._note(number, frame)
        if self._process is not None:
            self._process.terminate()
