"""Steps in forks of a warm process: it has imported once what each step would import anew for seconds.

The process does no more than import and read its own code's version, so that a fork is as good as a new interpreter:
an engine makes its devices and threads at the first computation, and that is in the fork. As a program, it is that
process.
"""

import contextlib
import gc
import importlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPONENT = (
    'program_path=$(mktemp -d) printf "%s" "$0" > "$program_path/ephemeral_component.py" _KFP_RUNTIME=true python3 -m '
    'kfp.dsl.executor_main --component_module_path "$program_path/ephemeral_component.py" "$@"'
)
"""The shell command that KFP makes of a Python component, but for its white space."""
STEP = ("kfp.dsl.executor_main", "pandas", "pyarrow.parquet", "yt8m.runs.records")
TRAINING = ("yt8m.prediction.predict", "yt8m.training.trainer", "yt8m.training.engines.{engine}",
            "yt8m.training.export", "yt8m.training.work_root")  # fmt: skip
COMPONENTS = {"train": TRAINING, "train_run": TRAINING, "predict": TRAINING}
"""By function of a component: what a warm process of its own imports beside `STEP`, before any of its steps comes; of
the engine that its environment asks for."""
USED = re.compile(r"^ +from (yt8m[\w.]*) import ", re.MULTILINE)
"""What a component imports, in its source."""
REQUEST = 1 << 20
GO = b"!"


class Fork:
    """A step as a fork, which waits for its beginning; `pid` is its process and the group of it."""

    def __init__(self, answers: int, word: int):
        self._answers, self._word = os.fdopen(answers), os.fdopen(word, "wb", buffering=0)
        self.pid = int(self._answers.readline() or 0)

    def begin(self) -> None:
        """Let it go on; it ends if that never comes, however this process has ended."""
        with contextlib.suppress(BrokenPipeError), self._word:
            self._word.write(GO)

    def wait(self) -> tuple[int, int]:
        """Its exit code, negative for a signal, and its peak memory in bytes, at its end."""
        with self._answers:
            words = self._answers.readline().split()
        return (int(words[0]), int(words[1])) if words else (-9, 0)


class Warm:
    """A warm process that has imported `STEP` and further modules; it ends with this one."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]):
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket, self._lock = here, threading.Lock()
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "targets.warm", str(there.fileno()), *STEP, *modules], pass_fds=[there.fileno()],
                env={**environment, "_KFP_RUNTIME": "true"},  # as the command has it: `kfp` is then the executor alone
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def start(self, command: Sequence[str], output: int) -> Fork | None:
        """Make a step that is to begin in this process' working folder.

        Args:
            command: one for which `is_component` holds.
            output: file descriptor that gets all that the step says.

        Returns:
            The step; None if it cannot be started here, as the process has ended.
        """
        request = json.dumps({"source": command[3], "arguments": list(command[4:]), "folder": os.getcwd()}).encode()
        (hears, answers), (waits, word) = os.pipe(), os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._socket, [request], [output, answers, waits])
        except OSError:
            os.close(hears)
            os.close(word)
            return None
        finally:
            os.close(answers)
            os.close(waits)
        fork = Fork(hears, word)
        return fork if fork.pid else None

    def close(self) -> None:
        """End it, also while it imports; no step comes any more."""
        self._process.terminate()
        self._socket.close()
        self._process.wait()


def is_component(command: Sequence[str]) -> bool:
    """Whether a step's command only writes a component's source into a file and executes it."""
    return list(command[:2]) == ["sh", "-ec"] and " ".join(command[2].split()) == COMPONENT


def _serve(channel: socket.socket, modules: Sequence[str]) -> dict[str, str | list[str]] | None:
    """Fork for each request; what is to be executed, in the forks, and None at the end of the run."""
    from yt8m.quiet import engine_of_environment, quiet_start

    with quiet_start():
        for name in modules:
            importlib.import_module(name.format(engine=engine_of_environment()))
    keepers: set[int] = set()
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, REQUEST, 3)
        if not request:
            return None
        step = json.loads(request)
        _prepare(step["source"])
        gc.collect()
        gc.freeze()  # what is there now is no garbage of the fork, which would spend a second looking for it at its end
        keeper = os.fork()
        if not keeper:
            channel.close()
            return _keep(step, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        keepers.add(keeper)
        keepers -= {keeper for keeper in keepers if os.waitpid(keeper, os.WNOHANG)[0]}


def _prepare(source: str) -> None:
    """Import what a component will import, and read the code's versions if it may ask for them."""
    names = USED.findall(source)
    with contextlib.suppress(Exception):  # the step meets it as well, and says it
        for name in names:
            importlib.import_module(name)
        if "yt8m.code_version" in sys.modules:
            from yt8m.code_version import code_version
            from yt8m.quiet import engine_of_environment
            from yt8m.registry.identity import training_code

            code_version()
            training_code(engine_of_environment())


def _keep(step: dict[str, str | list[str]], output: int, answers: int, waits: int) -> dict[str, str | list[str]]:
    """Between the warm process and a step: fork once more, and tell in the end how it ended. Returns in the step."""
    process = os.fork()
    with contextlib.suppress(OSError):  # by both, so that the group is there whoever comes first
        os.setpgid(process, process)
    if process:
        os.close(output)
        os.close(waits)
        with contextlib.suppress(BrokenPipeError):  # the run is gone
            os.write(answers, b"%d\n" % process)
            _, status, usage = os.wait4(process, 0)
            os.write(answers, b"%d %d\n" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024))
        os._exit(0)
    os.close(answers)
    if os.read(waits, 1) != GO:
        os._exit(1)
    os.close(waits)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    return step


def _execute(step: dict[str, str | list[str]]) -> None:
    """Do what the shell command of a Python component does."""
    from kfp.dsl.executor_main import executor_main

    os.chdir(str(step["folder"]))
    program = Path(tempfile.mkdtemp()) / "ephemeral_component.py"
    program.write_text(str(step["source"]), encoding="utf-8")
    sys.argv = ["executor_main", "--component_module_path", str(program), *step["arguments"]]
    executor_main()


if __name__ == "__main__":
    step = _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    if step is not None:
        _execute(step)
