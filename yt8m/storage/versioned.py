"""Small files that several processes may want to change: each write says which version it replaces.

On gs:// the version is the object's generation, and the service compares. Locally it is the content itself, compared
while an exclusive lock on a file beside it is held; the lock goes with the process that held it, however it ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from yt8m.errors import InputError, WriteConflict
from yt8m.storage.leftovers import PARTIAL, StrPath, scratch_folder
from yt8m.storage.local import atomic_file


class Versioned(Protocol):
    """A file with versions; the version of a file that is not there is None."""

    def read(self) -> tuple[bytes | None, Any]:
        """The content and its version."""

    def write(self, content: bytes, version: Any) -> Any:
        """Replace this version; returns the new one, or raises WriteConflict."""

    def delete(self, version: Any) -> None:
        """Delete this version, or raise WriteConflict; none there is fine."""


class LocalVersioned:
    """A local file, replaced atomically."""

    def __init__(self, path: StrPath):
        self._path = Path(path)

    def read(self) -> tuple[bytes | None, Any]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None, None
        return content, content

    def write(self, content: bytes, version: Any) -> Any:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone(version), atomic_file(self._path) as temporary:
            temporary.write_bytes(content)
        return content

    def delete(self, version: Any) -> None:
        if self._path.parent.is_dir():
            with self._alone(version):
                self._path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self, version: Any) -> Iterator[None]:
        """Hold the lock, while the file is of this version."""
        guard = self._path.with_name(f"{PARTIAL}{self._path.name}.lock")
        with guard.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self.read()[1] != version:
                raise WriteConflict(f"{self._path}: somebody else changed this file")
            yield


class RemoteVersioned:
    """An object on gs://."""

    def __init__(self, address: str):
        self._address = address

    def read(self) -> tuple[bytes | None, Any]:
        from yt8m.storage import cloud

        if cloud.describe(self._address) is None:
            return None, None
        try:
            return cloud.read_bytes(self._address)
        except InputError:
            if cloud.describe(self._address) is None:  # deleted in between
                return None, None
            raise

    def write(self, content: bytes, version: Any) -> Any:
        from yt8m.storage import cloud

        with scratch_folder() as scratch:
            local = scratch / "content"
            local.write_bytes(content)
            return cloud.upload(local, self._address, version or 0)

    def delete(self, version: Any) -> None:
        from yt8m.storage import cloud

        cloud.delete(self._address, version)


def versioned(path: StrPath) -> Versioned:
    """The file or object at a path or gs:// address."""
    text = os.fspath(path)
    return RemoteVersioned(text) if text.startswith("gs://") else LocalVersioned(text)
