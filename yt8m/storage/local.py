"""Local files: listing, and output that appears whole or not at all.

Protocol: a file is written beside its final name (same folder, so the rename is atomic), flushed to disk, then
renamed. A reader sees the old file or the new one, never a part. A leftover of a killed run starts with
`.partial-` and is never listed.
"""

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yt8m.errors import InputError, WriteConflict

PARTIAL = ".partial-"


@dataclass(frozen=True)
class FileInfo:
    """A file of a listing: its path or address, its size in bytes, and on gs:// its generation and CRC32C."""

    path: str
    size: int
    generation: int | None = None
    crc32c: str | None = None


def list_local(source: str, pattern: str) -> list[FileInfo]:
    """Files of a folder (by `pattern`), of a glob, or the one file; sorted by path.

    Raises:
        InputError: nothing is there, with what was looked for.
    """
    if os.path.isdir(source):
        paths = glob.glob(os.path.join(glob.escape(source), pattern))
        if not paths:
            raise InputError(f"{source}: the folder holds no {pattern} file; name the folder of the shards")
    elif glob.has_magic(source) and not os.path.exists(source):
        paths = [path for path in glob.glob(source) if os.path.isfile(path)]
        if not paths:
            raise InputError(f"{source}: no file matches; quote the pattern and check the folder")
    else:
        paths = [str(require_file(source))]
    return [FileInfo(path, os.path.getsize(path)) for path in sorted(paths) if PARTIAL not in path]


def require_file(path: str | os.PathLike[str], remedy: str = "check the path") -> Path:
    """The path, if it is a readable file; a one-line error with the remedy otherwise."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; {remedy}")
    if not path.is_file():
        raise InputError(f"{path}: not a file; {remedy}")
    return path


def is_cached(path: str, offset: int) -> bool:
    """Whether a byte of a local file is in the page cache; False where that cannot be known, as on other systems."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT) >= 0
    except (OSError, AttributeError):
        return False
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to; on success it becomes `path`, on any error it is removed."""
    path = Path(path)
    temporary = _temporary_beside(path)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def create_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Create a file that must not be there, whole or not at all; of several that try at once exactly one succeeds.

    The file is written beside its name and then linked to it: unlike a rename, that fails where the name is taken.

    Raises:
        WriteConflict: there is a file of that name.
        InputError: the file system has no hard links.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    try:
        temporary.write_bytes(data)
        _sync(temporary)
        os.link(temporary, path)
        _sync(path.parent)
    except FileExistsError as error:
        raise WriteConflict(f"{path}: somebody else created this file; read it, then decide") from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        raise InputError(
            f"{path}: this file system has no hard links, without which two writers cannot be told apart; use a local "
            "disk, a network file system that has them, or a gs:// address"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | os.PathLike[str], *, replace: bool = True) -> Iterator[Path]:
    """Yield a folder to fill; on success it replaces `path` as a whole, on any error it is removed.

    Raises:
        OSError: without `replace`, `path` is there by now.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            _sync(file)
        old = _temporary_beside(path)
        if replace and path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old, ignore_errors=True)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f"{PARTIAL}{path.name}-", dir=path.parent)
    os.close(descriptor)
    os.unlink(name)
    return Path(name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
