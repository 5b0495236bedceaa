"""Folders as a whole: what lies below one, and copies of single files between local paths and gs://, by checksum."""

import os
import shutil
from pathlib import Path
from types import ModuleType

import google_crc32c

from yt8m.storage.leftovers import PARTIAL, StrPath, scratch_folder
from yt8m.storage.local import FileInfo, atomic_file, require_file

SCHEME = "gs://"
CHUNK = 1 << 22


def _cloud() -> ModuleType:
    from yt8m.storage import cloud

    return cloud


def list_tree(root: StrPath) -> dict[str, FileInfo]:
    """The files below a folder or gs:// address at any depth, by their relative names with slashes, in name order.

    Empty where there is none, or no such folder. Leftovers of a killed run do not count.
    """
    root = os.fspath(root)
    if not root.startswith(SCHEME):
        found = _list_local(Path(root))
    else:
        cloud = _cloud()
        bucket, name = cloud.split(root)
        start = len(name.rstrip("/")) + 1 if name else 0
        found = {
            str(blob.name)[start:]: FileInfo(
                f"{SCHEME}{bucket}/{blob.name}", int(blob.size), int(blob.generation), cloud.crc32c_of(blob)
            )
            for blob in cloud.list_below(root)
        }
    return {name: found[name] for name in sorted(found) if PARTIAL not in name}


def _list_local(root: Path) -> dict[str, FileInfo]:
    """The files below a folder, those of writers at work left out: they vanish while they are looked at."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if PARTIAL not in name]
        for name in names:
            file = Path(folder, name)
            if PARTIAL not in name and file.is_file():
                found[file.relative_to(root).as_posix()] = FileInfo(str(file), file.stat().st_size)
    return found


def file_crc32c(path: StrPath) -> str:
    """CRC32C of a file (read here) or of an object (as the service knows it), as 8 hexadecimal digits."""
    path = os.fspath(path)
    if path.startswith(SCHEME):
        cloud = _cloud()
        blob = cloud.describe(path)
        return str(cloud.crc32c_of(blob)) if blob is not None else ""
    value = 0
    with open(require_file(path), "rb") as stream:
        while chunk := stream.read(CHUNK):
            value = google_crc32c.extend(value, chunk)
    return f"{value:08x}"


def copy_file(source: StrPath, target: StrPath) -> None:
    """Copy a file or object, whole or not at all; what is at the target is replaced."""
    source, target = os.fspath(source), os.fspath(target)
    if not target.startswith(SCHEME):
        if source.startswith(SCHEME):
            _cloud().download(source, target)
            return
        with atomic_file(target) as temporary:
            shutil.copyfile(require_file(source), temporary)
    elif not source.startswith(SCHEME):
        _cloud().upload(require_file(source), target)
    else:
        with scratch_folder() as scratch:
            local = scratch / "copy"
            _cloud().download(source, local)
            _cloud().upload(local, target)
