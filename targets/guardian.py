"""A process beside a run that outlives it by seconds: however the run ends, its steps end with it.

A run that is killed with -9, or for want of memory, can stop nothing by itself. The guardian is told of each step that
starts and ends; when the pipe from the run closes, it stops those that are left.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

GRACE_SECONDS = 30.0  # from SIGTERM, at which a training keeps what it has learned, to SIGKILL
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Guardian:
    """Started with the first step, ended with the run."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def guarding(self, kind: str, name: object) -> Iterator[None]:
        """Inside, a step runs: `group`, a group of processes, or `container`."""
        self._tell(f"+ {kind} {name}")
        try:
            yield
        finally:
            self._tell(f"- {kind} {name}")

    def close(self) -> None:
        """End it; no step runs any more."""
        if self._process is not None:
            self._process.communicate()

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "targets.guardian"], stdin=subprocess.PIPE, text=True, cwd=ROOT,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
            assert self._process.stdin
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


def guard() -> None:
    """Listen on stdin until it closes, then stop what still runs."""
    running: dict[str, None] = {}
    for line in sys.stdin:
        sign, _, step = line.strip().partition(" ")
        if sign == "+":
            running[step] = None
        else:
            running.pop(step, None)
    steps = [step.split(" ", 1) for step in running]
    stop_groups([int(name) for kind, name in steps if kind == "group"])
    stop_containers([name for kind, name in steps if kind == "container"])


def stop_groups(groups: list[int]) -> None:
    """SIGTERM to groups of processes, and SIGKILL to what is left of them after a while."""
    end = time.monotonic() + GRACE_SECONDS
    left = [group for group in groups if _sent(group, signal.SIGTERM)]
    while left and time.monotonic() < end:
        time.sleep(0.1)
        left = [group for group in left if _sent(group, 0)]
    for group in left:
        _sent(group, signal.SIGKILL)


def stop_containers(names: list[str]) -> None:
    """Stop containers as an interrupted run does, and remove them."""
    if not names:
        return
    from targets.docker_runner import FAILURES, connect, end_container, terminate_container

    def each(work: Callable[[str], object]) -> None:
        for name in names:
            with contextlib.suppress(*FAILURES):
                work(name)

    with contextlib.closing(connect()) as client:
        each(lambda name: terminate_container(client, name))
        each(lambda name: end_container(client, name))
        each(lambda name: client.api.remove_container(name, force=True))


def _sent(group: int, number: int) -> bool:
    """Whether there was anybody to send a signal to."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    guard()
