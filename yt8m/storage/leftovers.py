"""Temporary files and folders that say whose they are, so that what a killed process left is told from work going on.

A name ends in its owner: machine, process and the time at which that started. A later process clears what is of no
living process of its own machine. What another machine has made (on a shared volume) is cleared when nothing in it has
changed for a day.
"""

import errno
import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from yt8m.errors import InputError

PARTIAL = ".partial-"
SCRATCH = "yt8m-"
OLD = ".old"  # ends the name of the folder that another one was to replace, where the two cannot be exchanged
DAY_SECONDS = 86400.0
FOREIGN = "__autograph_generated_file"  # what TensorFlow leaves in the temporary folder when it is killed: of no owner
LONGEST = 150  # bytes of an output's name that the temporary one repeats
StrPath = str | os.PathLike[str]
OWNED = re.compile(r"(?P<name>.*)-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-(?P<started>\d+)-\w+(?P<old>\.old)?")
WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def beside(path: Path) -> Path:
    """A name for what is to become `path`, in its folder, which is made and cleared of leftovers; nothing is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent)
    name = path.name if len(os.fsencode(path.name)) <= LONGEST else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return path.with_name(f"{PARTIAL}{name}-{_owner()}-{uuid.uuid4().hex[:8]}")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder that is removed afterwards; what killed processes left there is, too."""
    clear_scratch()
    with tempfile.TemporaryDirectory(prefix=scratch_prefix()) as folder, naming(folder, only_by_name=True):
        yield Path(folder)


def scratch_prefix(kind: str = "") -> str:
    """What the name of a temporary folder of this process begins with."""
    return f"{SCRATCH}{kind}{_owner()}-"


def clear_leftovers(folder: Path) -> None:
    """Remove what killed writers left in a folder; a whole folder that one was about to replace gets its name back."""
    for entry, match in _left(folder, PARTIAL):
        target = folder / match["name"].removeprefix(PARTIAL)
        if match["old"] and not os.path.lexists(target):
            with suppress(OSError):
                os.rename(entry, target)
        else:
            _remove(entry)


def clear_scratch(parent: Path | None = None) -> None:
    """Remove the temporary folders of killed processes, and the sources that TensorFlow made there a day ago."""
    folder = parent or Path(tempfile.gettempdir())
    for entry, _ in _left(folder, SCRATCH):
        _remove(entry)
    for entry in folder.glob(f"{FOREIGN}*.py"):
        with suppress(OSError):  # another process has removed it
            if time.time() - entry.lstat().st_mtime > DAY_SECONDS:
                _remove(entry)


@contextmanager
def naming(path: StrPath, temporary: Path | None = None, *, only_by_name: bool = False) -> Iterator[None]:
    """Give errors of writing the path that they lack, and that of the output where they have the temporary one.

    The system names no path when a disk is full, and libraries have errors of their own that quote the system's. With
    `only_by_name` these count where they name the path: inside, much else may fail and be quoted, such as a whole run.
    """
    try:
        yield
    except OSError as error:
        known = error.errno or _quoted(error)
        if error.filename is None and known in WRITING:
            raise OSError(known, os.strerror(known), os.fspath(path)) from error
        if temporary is not None and _is_within(error.filename, temporary):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    except InputError:
        raise
    except Exception as error:
        if (quoted := _quoted(error)) and (not only_by_name or os.fspath(path) in str(error)):
            raise OSError(quoted, os.strerror(quoted), os.fspath(path)) from error
        raise


def _quoted(error: Exception) -> int | None:
    """The number of the system's error that a text quotes, of those that tell of writing."""
    text = str(error)
    return next((number for number in sorted(WRITING) if os.strerror(number) in text), None)


def _is_within(filename: object, folder: Path) -> bool:
    return isinstance(filename, str | bytes | os.PathLike) and Path(os.fsdecode(filename)).is_relative_to(folder)


def _owner() -> str:
    """This process, for a name."""
    return f"{_digest(this_process()['machine'])}-{os.getpid()}-{started(os.getpid())}"


def _digest(machine: str) -> str:
    return hashlib.sha256(machine.encode()).hexdigest()[:8]


def _left(folder: Path, prefix: str) -> list[tuple[Path, re.Match[str]]]:
    """Entries of a folder whose owners have ended."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []
    matches = [(folder / name, match) for name in names if (match := OWNED.fullmatch(name))]
    here = _digest(this_process()["machine"]) if matches else ""
    return [(path, match) for path, match in matches if _has_ended(path, match, here)]


def _has_ended(path: Path, owner: re.Match[str], here: str) -> bool:
    if owner["machine"] != here:
        return time.time() - _changed(path) > DAY_SECONDS
    found = started(int(owner["process"]))
    if found is None:
        return not _is_hidden(int(owner["process"]))
    return found != owner["started"]


def _is_hidden(process: int) -> bool:
    """Whether there is such a process, of another user, that the system does not show."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _changed(path: Path) -> float:
    """The last change of a file, or of anything in a folder (s since 1970); now if that cannot be told."""
    try:
        return max(entry.lstat().st_mtime for entry in (path, *path.rglob("*")))
    except OSError:
        return time.time()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def this_process() -> dict[str, Any]:
    """This process: `{host, machine, process, started}`."""
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "process": os.getpid(),
        "started": started(os.getpid()),
    }


def started(process: int) -> str | None:
    """When a process was started, in the kernel's own unit; None if it is not there, or is dead and not yet buried."""
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _machine() -> str:
    """The machine since its start, and its space of process numbers."""
    return f"{socket.gethostname()} {_boot()} {_process_space()}"


@cache
def _boot() -> str:
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
    return ""


def _process_space() -> str:
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""
