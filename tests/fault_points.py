"""Commands that are killed before each of their operations on files, one run an operation.

A process with everything imported (this file as a program) forks for each run, as in `kills.py`. The operations are
seen by an audit hook: every way to open a file for writing, to rename, link, delete and make files and folders, and
every fsync, whoever in the process calls it. A kill before operation k + 1 is one after operation k. What a library
writes without Python (Parquet, HDF5) has no operations of its own: for that, `torn` ends a run in the middle of a file.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMANDS = [
    "index",
    "statistics",
    "rebalance",
    "export",
    "simulate",
    "download",
    "validate",
    "evaluate",
    "submission",
    "promote",
]
LIGHT = ["yt8m.loader.export", "pandas", *(f"yt8m.commands.{name}" for name in COMMANDS)]
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.fsync"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Tree = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """How a run ended: its status as of `os.waitpid`, what it printed, and its operations in order."""

    status: int
    output: str
    operations: list[str]

    @property
    def was_killed(self) -> bool:
        return os.WIFSIGNALED(self.status)


class Warm:
    """A process that has imported modules and runs commands in forks; a context manager.

    A module that must not have worked before a fork (TensorFlow) may be imported, and works in the forks alone.
    """

    def __init__(self, *modules: str):
        self._modules = modules or tuple(LIGHT)

    def __enter__(self) -> "Warm":
        self._process = subprocess.Popen(
            [sys.executable, __file__, *self._modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()

    def run(
        self,
        argv: Sequence[str],
        within: Path,
        *,
        kill_before: int | None = None,
        torn: int | None = None,
        call: str = "yt8m.cli:main",
    ) -> Run:
        """Run a command to its end, or kill it.

        Args:
            argv: of the command.
            within: operations below this folder count; temporary files go to its `scratch`.
            kill_before: the number of an operation, from 0.
            torn: kill it when a file grows beyond so many bytes; then the operations are not listed.
            call: `module:function` to call in the place of the command line; it gets `argv` as its one argument.
        """
        assert self._process.stdin
        assert self._process.stdout
        (within / "scratch").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            request = {"argv": list(argv), "within": str(within), "kill_before": kill_before, "torn": torn,
                       "call": call, "folder": folder}  # fmt: skip
            print(json.dumps(request), file=self._process.stdin, flush=True)
            status = int(self._process.stdout.readline())
            output, operations = (Path(folder, name).read_text() for name in ("output", "operations"))
        return Run(status, output, operations.splitlines())


def tree(folder: Path) -> Tree:
    """What lies below a folder: the content of files, the target of links, None for folders."""
    found: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


def kill_before_each_operation(
    warm: Warm,
    argv_of: Callable[[Path], Sequence[str]],
    place: Path,
    *,
    start: Callable[[Path], object] = lambda folder: None,
    look: Callable[[Path], object] = lambda folder: None,
    growing: Sequence[str] = (),
    same: Callable[[Tree], Any] = lambda found: found,
    torn: bool = True,
    only: slice = slice(None),
    call: str = "yt8m.cli:main",
) -> list[str]:
    """Kill a command before each operation and run it again: the outcome must be that of an undisturbed run.

    After a kill, each file that is seen under its name must be as before or as after the command. After the second
    run, everything must be as after an undisturbed one, with no leftover there or in the temporary folder.

    Args:
        warm: the process that runs it.
        argv_of: the command line, for a folder to work in.
        place: an empty folder for this alone.
        start: makes what is in the folder beforehand, such as the output of an earlier command.
        look: further checks after a kill.
        growing: patterns of names of files that pass through other states, such as a manifest that shards are added to.
        same: what of a tree must be equal; without it, all.
        torn: whether also to end it in the middle of a file, in several places.
        only: of the operations, those to try.
        call: see `Warm.run`.

    Returns:
        The operations of an undisturbed run.
    """
    work, folder = place / "work", place / "work" / "folder"

    def begin() -> Tree:
        if work.exists():
            shutil.rmtree(work)
        folder.mkdir(parents=True)
        start(folder)
        return tree(folder)

    def run(**options: Any) -> Run:
        return warm.run(argv_of(folder), work, call=call, **options)

    before = begin()
    undisturbed = run()
    assert undisturbed.status == 0, undisturbed.output
    assert _left_in(work / "scratch") == []
    after = tree(folder)

    def try_kill(how: str, **options: int) -> None:
        begin()
        killed = run(**options)
        where = f"{how}, killed before: {killed.operations[-1] if killed.operations else 'the middle of a file'}"
        assert killed.was_killed or killed.status == 0, f"{where}: {killed.output}"
        for name, content in tree(folder).items():
            hidden = ".partial-" in name or content is None or any(fnmatch(name, pattern) for pattern in growing)
            known = [same({name: each[name]}) for each in (before, after) if name in each]
            assert hidden or same({name: content}) in known, f"{where}: {name} is neither old nor new"
        look(folder)
        again = run()
        assert again.status == 0, f"{where}, then: {again.output}"
        assert same(tree(folder)) == same(after), f"{where}: {_difference(same(tree(folder)), same(after))}"
        left = _left_in(work / "scratch")
        assert left == [], f"{where}: left {left} in the temporary folder"

    for number in range(len(undisturbed.operations))[only]:
        try_kill(f"operation {number}", kill_before=number)
    sizes = sorted(
        {len(content) for name, content in after.items() if isinstance(content, bytes) and name not in before}
    )
    for size in sizes[-1:] if torn else []:
        for bytes_written in (size // 2, size - 1):
            try_kill(f"after {bytes_written} bytes", torn=bytes_written)
    shutil.rmtree(work)
    return undisturbed.operations


def _left_in(scratch: Path) -> list[str]:
    """What is left in the temporary folder, but for what TensorFlow removes at an exit that a fork does not make."""
    return sorted(name for name in tree(scratch) if not name.startswith("__autograph_generated_file"))


def _difference(found: Tree, wanted: Tree) -> str:
    left, lost = sorted(set(found) - set(wanted)), sorted(set(wanted) - set(found))
    changed = [name for name in found if name in wanted and found[name] != wanted[name]]
    return f"left {left}, lost {lost}, other content in {changed}"


def _watch(request: dict[str, Any]) -> None:
    """Count the operations of this process from here on, and end it before one of them."""
    log = os.open(os.path.join(request["folder"], "operations"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    within, lock, count = request["within"] + os.sep, threading.RLock(), 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & WRITING or isinstance(path, int):
                return
            names = [_absolute(path)]
        elif event in CHANGES:
            names = _names(event, arguments)
        else:
            return
        if not any(name.startswith(within) for name in names):
            return
        with lock:
            os.write(log, f"{event.removeprefix('os.')} {' '.join(names)}\n".encode())
            if count == request["kill_before"]:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    def fsync(file: Any, work: Callable[[Any], None] = os.fsync) -> None:
        sys.audit("os.fsync", file if isinstance(file, int) else file.fileno())
        work(file)

    os.fsync = fsync
    sys.addaudithook(look)


def _names(event: str, arguments: tuple[Any, ...]) -> list[str]:
    if event in ("os.fsync", "os.truncate") and isinstance(arguments[0], int):
        return [os.readlink(f"/proc/self/fd/{arguments[0]}")]
    if event in ("os.rename", "os.link"):
        return [_absolute(name, folder) for name, folder in zip(arguments[:2], arguments[2:], strict=True)]
    if event == "os.symlink":
        return [_absolute(arguments[1])]
    return [_absolute(arguments[0], arguments[-1] if event != "os.truncate" else -1)]


def _absolute(path: Any, folder: int = -1) -> str:
    name = os.fsdecode(path)
    return os.path.abspath(name if folder < 0 else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name))


def _work(request: dict[str, Any]) -> int:
    import importlib

    output = os.open(os.path.join(request["folder"], "output"), os.O_WRONLY | os.O_CREAT)
    Path(request["folder"], "operations").touch()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    tempfile.tempdir = os.path.join(request["within"], "scratch")
    os.environ["TMPDIR"] = tempfile.tempdir
    module, _, name = request["call"].partition(":")
    function = getattr(importlib.import_module(module), name)
    if request["torn"] is None:
        _watch(request)
    else:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["torn"], request["torn"]))
    return int(function(request["argv"]) or 0)


def _serve(modules: list[str]) -> None:
    import importlib
    import traceback

    answers = os.fdopen(os.dup(1), "w")
    for name in ("yt8m.cli", *modules):
        importlib.import_module(name)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            code = 1
            try:
                code = _work(json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(os.waitpid(process, 0)[1], file=answers, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1:])
