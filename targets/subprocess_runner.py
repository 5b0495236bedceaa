"""Steps as processes of this interpreter: no images, no isolation, nothing to install."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from targets.guardian import Guardian
from targets.steps import Ended, Step, share_of_cores
from targets.warm import COMPONENTS, Fork, Warm, is_component

ROOT = Path(__file__).resolve().parent.parent
INPUT = "--executor_input"
OF_ITS_OWN = re.compile(r'\bengine\b|"preset":\s*"[^"]*\.ya?ml"')
"""In the input of a training: an engine that its candidate asks for, or a preset of the user's own, which may. The warm
process has imported that of the environment, and a process has one."""
WAITING = 'read -r _ && exec "$@" < /dev/null'


class SubprocessRunner:
    """Runs steps as processes: forks of a warm one where that can be, else subprocesses.

    Args:
        scratch: folder for their temporary files.
        jobs: how many run beside each other; they share the cores.
    """

    def __init__(self, scratch: str, jobs: int):
        self._environment = _environment(scratch, jobs)
        self._running: set[int] = set()
        self._stopped = False
        self._guardian = Guardian()
        self._warm: dict[tuple[str, ...], Warm] = {}
        self._lock = threading.Lock()

    def execute(self, step: Step, hear: Callable[[str], None]) -> Ended:
        ours, theirs = os.pipe()
        try:
            process = self._fork(step, theirs) or Subprocess(step.command, theirs, self._environment | step.environment)
        finally:
            os.close(theirs)
        self._running.add(process.pid)
        with self._guardian.guarding("group", process.pid):
            process.begin()
            if self._stopped:  # while it was made, for which a warm process may take seconds
                self.stop()
            with os.fdopen(ours, errors="replace", buffering=1) as said:
                for line in said:
                    hear(line.rstrip())
            code, memory = process.wait()
        self._running.discard(process.pid)
        return Ended(code, memory)

    def _fork(self, step: Step, output: int) -> Fork | None:
        if step.environment or not is_component(step.command):
            return None
        modules = COMPONENTS.get(step.command[-1], ())
        if modules and OF_ITS_OWN.search(step.command[step.command.index(INPUT) + 1]):
            return None
        with self._lock:
            if modules not in self._warm:
                self._warm[modules] = Warm(modules, self._environment)
        return self._warm[modules].start(step.command, output)

    def close(self) -> None:
        for warm in self._warm.values():
            warm.close()
        self._guardian.close()

    def stop(self) -> None:
        self._stopped = True
        for group in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)


class Subprocess:
    """A step as a new process, which waits for its beginning; `pid` is its process and the group of it."""

    def __init__(self, command: Sequence[str], output: int, environment: Mapping[str, str]):
        self._process = subprocess.Popen(
            ["sh", "-c", WAITING, "sh", *command], stdout=output, stderr=output, stdin=subprocess.PIPE, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self.pid = self._process.pid

    def begin(self) -> None:
        """Let it go on; it ends if that never comes, however this process has ended."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError), self._process.stdin as word:
            word.write(b"\n")

    def wait(self) -> tuple[int, int]:
        """Its exit code, negative for a signal, and its peak memory in bytes, at its end."""
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode, usage.ru_maxrss * 1024


def _environment(scratch: str, jobs: int) -> dict[str, str]:
    """Of the steps: this interpreter and this checkout first, temporary files of their own, a share of the cores."""
    return {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONSAFEPATH": "1",  # or a `yt8m` in the folder where the run was started would come before this checkout
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": scratch,
        **share_of_cores(jobs, os.cpu_count() or 1),
    }
