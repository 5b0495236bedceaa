"""Local files: listing, and output that appears whole or not at all.

Protocol: a file is written beside its final name (same folder, so the rename is atomic), flushed to disk, then
renamed. A reader sees the old file or the new one, never a part. A leftover of a killed run starts with
`.partial-`, is never listed, and is cleared by the next one (see `leftovers.py`).
"""

import ctypes
import errno
import glob
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from yt8m.errors import InputError, WriteConflict
from yt8m.storage.leftovers import OLD, PARTIAL, StrPath, beside, naming, scratch_folder

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux
OPEN_FILE = re.compile(r"/proc/(?:self|thread-self|\d+)/fd/(\d+)")
SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):(?P<slashes>//?)/*(?P<rest>.+)", re.DOTALL | re.IGNORECASE)
PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".tgz")
LIKE_A_SHARD = re.compile(r"tfrec|-\d+-of-\d+", re.IGNORECASE)
LINKS = 40  # as many as the kernel follows


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
    refuse_scheme(source)
    if os.path.isdir(source):
        paths = glob.glob(os.path.join(glob.escape(source), pattern))
        if not paths:
            raise InputError(f"{source}: the folder holds no {pattern} file; {instead(source, os.listdir(source))}")
    elif glob.has_magic(source) and not os.path.exists(source):
        paths = [path for path in glob.glob(source) if os.path.isfile(path)]
        if not paths:
            raise InputError(f"{source}: no file matches; quote the pattern and check the folder")
    else:
        paths = [str(require_file(source))]
    found = [FileInfo(path, os.path.getsize(path)) for path in sorted(paths) if not is_partial(path)]
    if not found:
        raise InputError(f"{source}: {PARTIAL}* is what a command that was killed left; name whole files")
    return found


def is_partial(path: str) -> bool:
    """Whether a file is a leftover by its own name; a folder may be called anything."""
    return os.path.basename(path).startswith(PARTIAL)


def instead(folder: str, names: Iterable[str]) -> str:
    """What to name when a folder holds no shard by its name, out of what it does hold."""
    shards = sorted(name for name in names if LIKE_A_SHARD.search(name) and not is_partial(name))
    packed = [name for name in shards if name.endswith(PACKED)]
    if packed:
        return f"unpack its {len(packed):,} files such as {packed[0]}, or name them if they only have the wrong name"
    if shards:
        pattern = os.path.join(folder, re.sub(r"[0-9]+", "*", shards[0]))
        return f"name its files such as {shards[0]} by a pattern between quotes: '{pattern}'"
    return "name the folder of the shards"


def refuse_scheme(path: StrPath) -> None:
    """Raise InputError for an address of a store that is not read, before it is taken for a path.

    A `Path` has one slash left of two.
    """
    found = SCHEME.match(os.fspath(path))
    if not found or (found["scheme"] == "gs" and found["slashes"] == "//"):
        return
    scheme, rest = found["scheme"].lower(), found["rest"]
    download = "download it first (official shards: `yt8m download`), and name the file"
    remedies = {"gs": f"write gs://{rest}", "file": f"write /{rest}", "http": download, "https": download}
    remedy = remedies.get(scheme, "copy the files, or mount the store, and name the folder")
    raise InputError(f"{scheme}://{rest}: only local paths and gs:// addresses are read and written; {remedy}")


def require_file(path: StrPath, remedy: str = "check the path") -> Path:
    """The path, if it is a readable file; a one-line error with the remedy otherwise."""
    refuse_scheme(path)
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
def atomic_file(path: StrPath) -> Iterator[Path]:
    """Yield a path to write to; on success it becomes `path`, on any error it is removed.

    A link is written through: its target is replaced, with the mode that it had. A device or a pipe gets the content.

    Raises:
        OSError: with the path, also where the system tells none, as of a full disk.
    """
    path = Path(path)
    if _is_stream(path):
        with scratch_folder() as folder:
            temporary = folder / "output"
            yield temporary
            _send(temporary, path)
        return
    target = _target(path)
    temporary = beside(target)
    try:
        with naming(path, temporary):
            yield temporary
            _keep_mode(target, temporary)
            _sync(temporary)
            os.replace(temporary, target)
            _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def create_file(path: StrPath, data: bytes) -> None:
    """Create a file that must not be there, whole or not at all; of several that try at once exactly one succeeds.

    The file is written beside its name and then linked to it: unlike a rename, that fails where the name is taken.

    Raises:
        WriteConflict: there is a file of that name.
        InputError: the file system has no hard links.
    """
    path = Path(path)
    temporary = beside(path)
    try:
        with naming(path, temporary):
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
def atomic_directory(path: StrPath, *, replace: bool = True) -> Iterator[Path]:
    """Yield a folder to fill; on success it takes the place of `path` in one step, on any error it is removed.

    A link is written through: the folder that it names is replaced, with the mode that it had.

    Raises:
        OSError: without `replace`, `path` is there by now; or as `atomic_file`.
    """
    path = Path(path)
    target = _target(path)
    temporary = beside(target)
    try:
        with naming(path, temporary):
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                _sync(file)
            if replace and target.exists():
                _keep_mode(target, temporary)
                _exchange(temporary, target)
            else:
                os.replace(temporary, target)
            _sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    """Exchange a new folder with the one it replaces, in one step where system and file system can.

    Elsewhere the old one is set aside first. A kill between the two renames leaves it under a name by which
    `clear_leftovers` brings it back.
    """
    sys.audit("os.rename", os.fspath(new), os.fspath(old), -1, -1)
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        if rename(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old), RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
            raise OSError(number, os.strerror(number), os.fspath(old))
    aside = new.with_name(f"{new.name}{OLD}")
    os.replace(old, aside)
    try:
        os.replace(new, old)
    except OSError:
        os.replace(aside, old)
        raise
    os.replace(aside, new)


def _target(path: Path) -> Path:
    """The path that is to be written: the end of a chain of links."""
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
    return target


def _is_stream(path: Path) -> bool:
    """Whether this is a device, a pipe or an open file of this process, which is written and not replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _open_file(path) is not None


def _open_file(path: Path) -> int | None:
    """The descriptor that a path such as /dev/stdout stands for."""
    for _ in range(LINKS):
        match = OPEN_FILE.fullmatch(os.path.join(os.path.realpath(path.parent), path.name))
        if match:
            return int(match[1])
        if not path.is_symlink():
            return None
        path = path.parent / os.readlink(path)
    return None


def _send(source: Path, stream: Path) -> None:
    """The content of a file to a device or pipe."""
    number = _open_file(stream)
    with naming(stream), open(source, "rb") as content, open(stream if number is None else os.dup(number), "wb") as out:
        shutil.copyfileobj(content, out)


def _keep_mode(old: Path, new: Path) -> None:
    """Give a file or folder mode and owner of the one that it replaces, if there is one, as far as this user may."""
    try:
        known = old.stat()
    except FileNotFoundError:
        return
    mine = new.stat()
    if (known.st_uid, known.st_gid) != (mine.st_uid, mine.st_gid):
        with suppress(OSError):
            os.chown(new, known.st_uid, known.st_gid)
    if stat.S_IMODE(known.st_mode) != stat.S_IMODE(mine.st_mode):
        new.chmod(stat.S_IMODE(known.st_mode))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
