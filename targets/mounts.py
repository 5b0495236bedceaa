"""Which files and folders of this machine the containers of a run see, each at its own path."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.types import Mount

GLOB = frozenset("*?[")


def mounts_for(arguments: Any, writable: list[str]) -> list[Mount]:
    """Folders to write to, and for reading whatever the arguments name.

    Args:
        arguments: of the run; a value in them that is an absolute path, at any depth, is mounted: a file or folder as
            it is, of a glob the folder before its first wildcard. Where a folder holds links, so is what they lead to.
        writable: folders to write to.
    """
    reading = {path for text in _texts(arguments) for path in _paths(text)}
    mounts = [Mount(path, path, type="bind") for path in writable]
    return mounts + [Mount(path, path, type="bind", read_only=True) for path in sorted(reading.difference(writable))]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _paths(text: str) -> Iterator[str]:
    if not os.path.isabs(text):
        return
    path = Path(text)
    if not path.exists():
        path = next((parent for parent in path.parents if not GLOB & set(str(parent))), path)
    path = Path(os.path.normpath(path))
    if path.exists() and path != Path(path.anchor):
        yield str(path)
        yield from _behind_links(path)


def _behind_links(path: Path) -> Iterator[str]:
    """The folders that the links in a folder lead to, through every link on the way."""
    for entry in path.iterdir() if path.is_dir() else [path]:
        while entry.is_symlink():
            entry = Path(os.path.normpath(entry.parent / os.readlink(entry)))
            if entry.exists() and entry.parent != Path(entry.anchor):
                yield str(entry.parent)
