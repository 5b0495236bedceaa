"""Commands that are killed at random moments, for the tests of what they leave behind.

A process with everything imported (this file as a program) forks for each run, so that a run is as short as its work,
and the moments of the kills lie in the work and not in the imports.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Runner:
    """Runs command lines of `yt8m` in forks of a warm process; a context manager."""

    def __enter__(self) -> "Runner":
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self._process.stdout
        self._process.stdout.readline()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()

    def run(self, argv: list[str], kill_after: float | None = None, look: Callable[[], None] = lambda: None) -> bool:
        """Run a command to its end, or kill it and its own processes after some seconds; whether it was killed.

        `look` is called again and again meanwhile, and once afterwards.
        """
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(argv), file=self._process.stdin, flush=True)
        group = int(self._process.stdout.readline())
        if kill_after is not None:
            deadline = time.monotonic() + kill_after
            while time.monotonic() < deadline:
                look()
                time.sleep(0.001)
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(group, signal.SIGKILL)
        status = int(self._process.stdout.readline())
        look()
        assert os.WIFSIGNALED(status) or status == 0, f"{argv} ended with {status}"
        return os.WIFSIGNALED(status)


def kill_at_random_moments(argv: list[str], like_it: list[str], times: int, look: Callable[[], None]) -> Iterator[bool]:
    """Kill a command at that many moments, one in each stretch of its work, then let it end.

    Args:
        argv: of the command.
        like_it: the same command with an output of its own, to learn how long the work takes.
        times: how often it is killed.
        look: called again and again while the command runs, and after each kill.

    Yields:
        Whether the run was killed, for each run.
    """
    generator = random.Random(argv[0])
    with Runner() as runner:
        started = time.monotonic()
        runner.run(like_it)
        lasts, killed = time.monotonic() - started, 0
        for number in range(times):
            was_killed = runner.run(argv, lasts * (number + generator.random()) / times, look)
            killed += was_killed
            yield was_killed
        assert killed, "every run ended before it was killed"
        yield runner.run(argv, look=look)


def _serve() -> None:
    import importlib

    from yt8m import cli
    from yt8m.data.records import download

    download.FIRST_PAUSE_SECONDS = 0.02
    commands = [f"yt8m.commands.{name}" for name in ("index", "rebalance", "export", "download", "simulate")]
    for name in (*commands, "yt8m.loader.export", "pandas"):  # which pyarrow imports at its first array
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os._exit(cli.main(json.loads(line)))
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(process, process)  # by both, so that the group is there whoever comes first
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)


if __name__ == "__main__":
    _serve()
