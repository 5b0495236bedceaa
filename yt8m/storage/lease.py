"""A lease: one writer at a time in a folder, on this machine or on gs://, whatever becomes of the writer.

The holder keeps a small file whose content it renews. Whoever finds the file watches it: if it is renewed, somebody is
at work there; if not for as long as `SECONDS`, or if it is of a process of this machine that has ended, its holder is
gone and the lease is taken over. Every write replaces a known version (see `versioned.py`), so of two that take over at
once one fails. A holder that was only asleep finds its lease gone, at the latest when it checks it before it writes.
"""

import json
import threading
import time
import uuid
from typing import Any

from yt8m.errors import InputError, WriteConflict
from yt8m.progress import log
from yt8m.storage.leftovers import started, this_process
from yt8m.storage.versioned import versioned

SECONDS = 60.0  # without a renewal, then a lease may be taken over
RENEWALS = 4  # in that time


class LeaseLost(InputError):
    """Somebody else has taken the lease over."""


class Lease:
    """The right to write in a folder; a context manager that acquires and releases it.

    Args:
        path: of its file, or gs:// address.
        purpose: what the holder does there, for messages, such as `training`.
        seconds: after which a lease that nobody renews is taken over.
    """

    def __init__(self, path: str, purpose: str, seconds: float | None = None):
        self._path, self._file, self._purpose = path, versioned(path), purpose
        self._seconds = SECONDS if seconds is None else seconds
        self._token, self._version, self._renewed = uuid.uuid4().hex, None, 0.0
        self._lost, self._released, self._lock = False, threading.Event(), threading.Lock()
        self._beats = 0

    def __enter__(self) -> "Lease":
        self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    @property
    def token(self) -> str:
        """Names this holder, and nobody else ever."""
        return self._token

    def acquire(self) -> None:
        """Take the lease; wait for one that seems left behind.

        Raises:
            InputError: its holder is at work.
        """
        seen, since = None, time.monotonic()
        while not self._try():
            content, version = self._file.read()
            if content is None:
                continue
            if seen is None:
                seen, since = version, time.monotonic()
                self._refuse_neighbour(content)
                log(f"{self._path}: held by {_holder(content)}; waiting up to {self._seconds:.0f} s for a sign of it")
            elif version != seen:
                raise self._busy(content)
            elif time.monotonic() - since >= self._seconds and self._try(version):
                log(f"{self._path}: taken over from {_holder(content)}, which gave no sign")
                break
            time.sleep(self._seconds / 100)
        threading.Thread(target=self._keep, name="yt8m-lease", daemon=True).start()

    def check(self) -> None:
        """Raise LeaseLost unless the lease is held, as it is in the file now."""
        with self._lock:
            if not self._lost and self._file.read()[1] != self._version:
                self._lost = True
        if self._lost:
            raise LeaseLost(f"{self._path}: another process has taken over {self._purpose} here; this one stops")

    def release(self) -> None:
        """Give the lease back, if it is still held."""
        self._released.set()
        with self._lock:
            if not self._lost:
                try:
                    self._file.delete(self._version)
                except WriteConflict:
                    self._lost = True

    def _try(self, version: Any = None) -> bool:
        """Replace a version of the file (None: there is none, or its holder has ended); false if that fails."""
        if version is None:
            content, found = self._file.read()
            if content is not None and not _has_ended(content):
                return False
            version = found
        try:
            self._write(version)
        except WriteConflict:
            return False
        return True

    def _write(self, version: Any) -> None:
        self._beats += 1
        content = {**this_process(), "token": self._token, "renewals": self._beats}
        self._version = self._file.write(json.dumps(content).encode(), version)
        self._renewed = time.monotonic()

    def _keep(self) -> None:
        while not self._released.wait(self._seconds / RENEWALS):
            with self._lock:
                if self._lost or self._released.is_set():
                    return
                self._renew()

    def _renew(self) -> None:
        try:
            self._write(self._version)
        except WriteConflict:
            self._lost = True
        except (InputError, OSError):  # the storage cannot be reached: try again, as long as nobody may take over
            self._lost = time.monotonic() - self._renewed >= self._seconds

    def _refuse_neighbour(self, content: bytes) -> None:
        """Raise at once if the holder is a process of this machine: it is alive, or it would have been passed over."""
        if _parse(content).get("machine") == this_process()["machine"]:
            raise self._busy(content)

    def _busy(self, content: bytes) -> InputError:
        return InputError(f"{self._path}: {_holder(content)} is at work here ({self._purpose}); wait for it, or choose "
                          "another folder")  # fmt: skip


def _has_ended(content: bytes) -> bool:
    """Whether a lease's holder is known to have ended: a process of this machine that is no more."""
    holder = _parse(content)
    return holder.get("machine") == this_process()["machine"] and started(holder["process"]) != holder["started"]


def _parse(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _holder(content: bytes) -> str:
    holder = _parse(content)
    return f"process {holder.get('process', '?')} on {holder.get('host', 'an unknown machine')}"
