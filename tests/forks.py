"""Commands in forks of a warm process, which has imported Keras and its engine: each begins without seconds of imports.

As a program, the warm process. It has imported everything and computed nothing, so that a fork is as good as a new
interpreter: an engine makes its devices and threads at the first computation, and that is in the fork.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGINE = f"yt8m.training.engines.{os.environ.get('KERAS_BACKEND') or 'tensorflow'}"
MODULES = ["pandas", "yt8m.prediction.predict", "yt8m.training.trainer", ENGINE,
           "yt8m.training.export", "yt8m.commands.index", "yt8m.commands.rebalance", "yt8m.commands.train",
           "yt8m.commands.predict"]  # fmt: skip


class Fork:
    """A command that runs, or ran; its interface is that of `subprocess.Popen` as far as tests use it."""

    def __init__(self, pid: int, folder: Path, warm: subprocess.Popen[str]):
        self.pid, self.folder, self._warm = pid, folder, warm

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        ended = self.folder / "status"
        if ended.exists():
            return os.waitstatus_to_exitcode(int(ended.read_text()))
        assert self._warm.poll() is None, "the warm process has ended"
        return None

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(0.005)
        return code

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait while it runs for a condition to hold."""
        while not condition():
            if self.poll() is not None:
                assert condition(), f"it ended with {self.poll()}: {self.stderr}"
                return
            time.sleep(0.001)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> int:
        """Kill it, and wait for its end."""
        self.send_signal(signal.SIGKILL)
        return self.wait()

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()


class Forks:
    """The warm process, seen from the tests; a context manager.

    Args:
        folder: of what its forks say.
        environment: of all of them, beside this process' own.
    """

    def __init__(self, folder: Path, **environment: str):
        self._folder, self._count, self._environment = folder, 0, environment

    def __enter__(self) -> "Forks":
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **self._environment},
        )  # fmt: skip
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()

    def start(self, argv: Sequence[object], call: str = "yt8m.cli:main", **environment: str) -> Fork:
        """Begin a command.

        Args:
            argv: of the command.
            call: `module:function` that gets `argv` as its one argument.
            environment: what its environment has beside that of the first test.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        engines = sys.modules.get("yt8m.training.engines")
        request = {"argv": list(map(str, argv)), "call": call, "folder": str(folder), "environment": environment,
                   "xla": getattr(engines, "XLA", True)}  # fmt: skip
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Fork(int(self._process.stdout.readline()), folder, self._process)

    def run(self, argv: Sequence[object], call: str = "yt8m.cli:main", **environment: str) -> Fork:
        """Run a command to its end, which must be a good one."""
        fork = self.start(argv, call, **environment)
        assert fork.wait() == 0, fork.stderr
        return fork


def run_tests(argv: list[str]) -> int:
    """Run pytest, on what the warm process computes by."""
    import pytest

    return int(pytest.main(argv))


def predict_by_video(argv: list[str]) -> None:
    """Predict video by video, keeping each; `argv` are the model, the index and the output."""
    from yt8m.prediction.predict import predict

    predict([argv[0]], argv[1], argv[2], batch_size=1, part_seconds=0)


def write_small_model(argv: list[str]) -> None:
    """Export an untrained small NetVLAD into a folder."""
    from yt8m import models
    from yt8m.presets import load_preset
    from yt8m.training.export import _write

    preset = load_preset("netvlad-small", {"export_dtype": "float16"})
    settings = {key: value for key, value in preset["model"].items() if key != "name"}
    model = models.create("netvlad", 3862, **settings)
    about = {"kind": "model", "architecture": "netvlad", "settings": settings, "level": "frame", "num_classes": 3862,
             "preset": preset}  # fmt: skip
    _write(Path(argv[0]), model, about, preset)


def _work(request: dict[str, object]) -> int:
    import importlib

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(os.path.join(str(request["folder"]), name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.modules["yt8m.training.engines"].XLA = request["xla"]  # type: ignore[attr-defined]
    module, _, name = str(request["call"]).partition(":")
    return int(getattr(importlib.import_module(module), name)(request["argv"]) or 0)


def _keep(request: dict[str, object], answer: int) -> None:
    """In a process between the warm one and the command: begin it, say its number, and write down how it ended."""
    import traceback

    folder = str(request["folder"])
    for name in ("stdout", "stderr"):
        Path(folder, name).touch()
    process = os.fork()
    if not process:
        code = 1
        try:
            code = _work(request)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.write(answer, f"{process}\n".encode())
    Path(folder, "status.new").write_text(str(os.waitpid(process, 0)[1]))
    os.rename(os.path.join(folder, "status.new"), os.path.join(folder, "status"))
    os._exit(0)


def _serve() -> None:
    import importlib

    from yt8m.quiet import quiet_start

    answer = os.dup(1)
    os.dup2(2, 1)
    with quiet_start():
        for name in MODULES:
            importlib.import_module(name)
    os.write(answer, b"ready\n")
    children = set()
    for line in sys.stdin:
        keeper = os.fork()
        if not keeper:
            _keep(json.loads(line), answer)
        children.add(keeper)
        children -= {child for child in children if os.waitpid(child, os.WNOHANG)[0]}


if __name__ == "__main__":
    _serve()
