"""Steps as subprocesses of this interpreter: no images, no isolation, nothing to install."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from targets.guardian import Guardian
from targets.steps import Ended, Step, share_of_cores

ROOT = Path(__file__).resolve().parent.parent


class SubprocessRunner:
    """Runs steps as subprocesses.

    Args:
        scratch: folder for their temporary files.
        jobs: how many run beside each other; they share the cores.
    """

    def __init__(self, scratch: str, jobs: int):
        self._environment = _environment(scratch, jobs)
        self._running: set[subprocess.Popen[str]] = set()
        self._guardian = Guardian()

    def execute(self, step: Step, hear: Callable[[str], None]) -> Ended:
        process = subprocess.Popen(
            step.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            errors="replace", bufsize=1, env={**self._environment, **step.environment}, start_new_session=True,
        )  # fmt: skip
        self._running.add(process)
        with self._guardian.guarding("group", process.pid), process:
            for line in process.stdout or ():
                hear(line.rstrip())
            _, code, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
        self._running.discard(process)
        return Ended(process.returncode, usage.ru_maxrss * 1024)

    def close(self) -> None:
        self._guardian.close()

    def stop(self) -> None:
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _environment(scratch: str, jobs: int) -> dict[str, str]:
    """Of the steps: this interpreter and this checkout first, temporary files of their own, a share of the cores."""
    return {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": scratch,
        **share_of_cores(jobs, os.cpu_count() or 1),
    }
