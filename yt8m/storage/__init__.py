"""One door to files: local paths (a mounted volume is one) and gs:// addresses.

Output appears whole or not at all. Locally a file is written beside its final name, flushed and renamed; on gs:// it
is written to scratch space and uploaded, and the service shows an object only when it is complete. Only this package
touches the cloud; its client is imported when the first gs:// address is seen.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from yt8m.errors import InputError
from yt8m.storage.leftovers import (
    PARTIAL,
    StrPath,
    clear_leftovers,
    clear_scratch,
    naming,
    scratch_folder,
    scratch_prefix,
)
from yt8m.storage.local import (
    FileInfo,
    atomic_directory,
    create_file,
    instead,
    is_cached,
    is_partial,
    list_local,
    refuse_scheme,
    require_file,
)
from yt8m.storage.local import atomic_file as atomic_local_file
from yt8m.storage.trees import copy_file, file_crc32c, list_tree

__all__ = [
    "PARTIAL", "FileInfo", "StrPath", "alone_in", "atomic_directory", "atomic_file", "check_bucket",
    "clear_leftovers", "clear_scratch", "copy_file", "copy_range", "create_json", "delete", "exists", "file_crc32c",
    "is_cached", "is_remote", "join", "list_files", "list_names", "list_tree", "local_copy", "naming", "read_bytes",
    "read_json", "read_range", "require_file", "scratch_folder", "scratch_prefix", "stage", "unchanged", "version_of",
    "write_json", "write_text",
]  # fmt: skip

SHARD_PATTERN = "*.tfrecord"


def is_remote(path: StrPath) -> bool:
    """Whether this is a gs:// address (a `Path` never is: it would lose a slash); another store's is refused."""
    if os.fspath(path).startswith("gs://"):
        return True
    refuse_scheme(path)
    return False


def check_bucket(address: str, what: str) -> None:
    """Raises InputError, which begins with `what`, for a gs:// address that names no bucket."""
    try:
        _cloud().split(address)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def _cloud() -> ModuleType:
    from yt8m.storage import cloud

    return cloud


def join(root: StrPath, *names: str) -> str:
    """A path or address below a root."""
    if is_remote(root):
        return "/".join([os.fspath(root).rstrip("/"), *names])
    return os.path.join(root, *names)


def list_files(source: str, pattern: str = SHARD_PATTERN) -> list[FileInfo]:
    """Files of a folder (by `pattern`), of a glob, or the one file; sorted by path.

    Raises:
        InputError: nothing is there, with what was looked for.
    """
    if not is_remote(source):
        return list_local(source, pattern)
    cloud = _cloud()
    blobs = [] if source.endswith("/") or any(c in source for c in "*?[") else [cloud.describe(source)]
    if not any(blobs):
        address = source if any(c in source for c in "*?[") else join(source, pattern)
        blobs = cloud.list_objects(address)
    if not blobs:
        there = [] if any(c in source for c in "*?[") else cloud.list_objects(source.rstrip("/") + "/")
        names = [str(blob.name).rpartition("/")[2] for blob in there]
        remedy = instead(source, names) if names else "check the address (gs://BUCKET/FOLDER)"
        raise InputError(f"{source}: no object and no {pattern} below it; {remedy}")
    bucket, _ = cloud.split(source)
    return [
        FileInfo(f"gs://{bucket}/{blob.name}", int(blob.size), int(blob.generation), cloud.crc32c_of(blob))
        for blob in blobs
        if not is_partial(blob.name)
    ]


def list_names(folder: str) -> list[str]:
    """The names of the files directly in a folder (of all, also of leftovers); none where there is no folder."""
    if is_remote(folder):
        return [str(blob.name).rpartition("/")[2] for blob in _cloud().list_objects(folder.rstrip("/") + "/")]
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def exists(path: StrPath) -> bool:
    """Whether there is a file or object of exactly this name."""
    return _cloud().describe(path) is not None if is_remote(path) else os.path.isfile(path)


def read_bytes(path: StrPath, remedy: str = "check the path") -> bytes:
    """A whole file."""
    if is_remote(path):
        data: bytes = _cloud().read_bytes(path)[0]
        return data
    return require_file(path, remedy).read_bytes()


def read_range(path: StrPath, offset: int, length: int, generation: int | None = None) -> bytes:
    """`length` bytes from `offset`, of an object of that generation; fewer only where a local file ends."""
    if is_remote(path):
        data: bytes = _cloud().read_range(path, offset, length, generation)
        return data
    with open(require_file(path), "rb") as file:
        return os.pread(file.fileno(), length, offset)


def copy_range(
    address: StrPath, file: BinaryIO, offset: int, length: int, generation: int | None, given_up: threading.Event
) -> None:
    """`length` bytes of an object of that generation from `offset` to where a file stands; arguments as of `stage`."""
    _cloud().copy_range(address, file, offset, length, generation, given_up)


def stage(
    path: StrPath,
    folder: StrPath,
    *,
    name: str | None = None,
    generation: int | None = None,
    given_up: threading.Event | None = None,
) -> Path:
    """A local file with the content of `path`: itself, or a copy of the object in `folder` (whole, CRC verified).

    Args:
        path: local path or gs:// address.
        folder: where a copy goes.
        name: of the copy; the object's own by default.
        generation: of the object, if no other will do.
        given_up: once it is set a failing download is not tried again.
    """
    if not is_remote(path):
        return require_file(path)
    target = Path(folder) / (name or os.path.basename(os.fspath(path)))
    _cloud().download(path, target, generation, given_up)
    return target


def version_of(path: StrPath) -> Any:
    """What differs when a local file is replaced or written anew; None on gs://, where a generation says it."""
    if is_remote(path):
        return None
    known = os.stat(path)
    return known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns


@contextmanager
def unchanged(path: StrPath, version: Any) -> Iterator[None]:
    """Read a local file that must be of the version that `version_of` told, to the end.

    Raises:
        InputError: it is another one by then; also in the place of an error that this may have caused.
    """
    try:
        yield
    finally:
        if not (is_remote(path) or (os.path.exists(path) and version_of(path) == version)):
            raise InputError(
                f"{path}: was changed while it was read; run the same command again when nothing writes to it"
            )


@contextmanager
def alone_in(folder: StrPath, purpose: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder, which is made, for one command alone; it is free again when the process ends, however that comes.

    Locally the folder itself is locked. On gs://, and where the file system locks no folders, a lease is held.

    Args:
        folder: local or on gs://.
        purpose: what is done there, such as `an export`.
        wait: for another command that holds a local folder; on gs:// nothing is held then.

    Raises:
        InputError: another command is at work there, or it is no folder.
    """
    from yt8m.storage.lease import Lease

    lease = nullcontext() if wait else Lease(join(folder, f"{PARTIAL}lease.json"), purpose)
    if is_remote(folder):
        with lease:
            yield
        return
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise InputError(f"{folder}: is a file; name a folder")
    is_new = not os.path.exists(folder)
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with nullcontext() if _locked(descriptor, folder, wait) else lease:
            yield
    except BaseException:
        if is_new:
            with suppress(OSError):  # something is in it
                os.rmdir(folder)
        raise
    finally:
        os.close(descriptor)


def _locked(descriptor: int, folder: StrPath, wait: bool) -> bool:
    """Lock a folder; false if its file system cannot. Raises InputError if another process holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise InputError(
            f"{folder}: another command is at work in this folder; wait for it, or choose another folder"
        ) from None
    except OSError:
        return False
    return True


@contextmanager
def local_copy(path: StrPath, remedy: str = "check the path") -> Iterator[Path]:
    """Yield a local file with the content of `path`: itself, or a copy of the object that is removed afterwards."""
    if not is_remote(path):
        yield require_file(path, remedy)
        return
    with scratch_folder() as scratch:
        yield stage(path, scratch)


@contextmanager
def atomic_file(path: StrPath) -> Iterator[Path]:
    """Yield a local path to write to; on success it becomes `path`, on any error nothing changes."""
    if not is_remote(path):
        with atomic_local_file(path) as temporary:
            yield temporary
        return
    with scratch_folder() as scratch:
        local = scratch / os.path.basename(os.fspath(path))
        yield local
        _cloud().upload(local, path)


def delete(path: StrPath) -> None:
    """Delete a file or an object; none there is fine."""
    if is_remote(path):
        _cloud().delete(path)
    else:
        Path(path).unlink(missing_ok=True)


def write_text(path: StrPath, text: str) -> None:
    """Write a text file whole or not at all (UTF-8)."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: StrPath, value: Any) -> None:
    """Write JSON with stable formatting; NaN and infinities are refused, they are not JSON."""
    write_text(path, _json_text(value))


def create_json(path: StrPath, value: Any) -> None:
    """Create a JSON file or object that must not be there; of several that try at once exactly one succeeds.

    Raises:
        WriteConflict: it is there already.
    """
    data = _json_text(value).encode()
    if not is_remote(path):
        create_file(path, data)
        return
    with scratch_folder() as scratch:
        local = scratch / "value.json"
        local.write_bytes(data)
        _cloud().upload(local, path, expected_generation=0)


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: StrPath, remedy: str = "check the path") -> Any:
    """Read a JSON file; one clear line when it is missing or not JSON."""
    try:
        return json.loads(read_bytes(path, remedy))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a JSON file ({error}); {remedy}") from error
