"""Checkpoints: a killed training continues where it was, to the bit, on this machine or on another.

A checkpoint is a folder, or an address on gs://, with a pointer file, `checkpoint.json`, written last and atomically.
It holds the configuration (all that decides the result), the state, and the names of two array files: `state-*.npz`
with every variable of the model and the optimizer and the recent examples, and `best-*.npz` with the model at its best
validation. Files that the pointer does not name are leftovers of a kill; they are removed when the checkpoint is
opened. A finished training's pointer first names no file any more, then its files go, and the pointer last: whoever
finds one clears what is left.

A lease keeps a second training out; the pointer is replaced by version, so that one which was taken for dead and wakes
up cannot move it. It may wake up between two operations of any kind. Hence a trainer deletes only what it knows to be
of no use to whoever holds the pointer: files that it wrote or took over and that its own pointer names no more; and
those that it saw before it moved the pointer, which is proof that nobody else had.
"""

import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from yt8m import storage
from yt8m.errors import InputError, WriteConflict
from yt8m.progress import log
from yt8m.storage import StrPath
from yt8m.storage.lease import Lease, LeaseLost
from yt8m.storage.versioned import versioned
from yt8m.training.state import State

POINTER, LEASE, ARRAYS = "checkpoint.json", "lease.json", ".npz"


class Checkpoints:
    """The checkpoint folder of one training; a context manager that holds the folder's lease.

    Args:
        folder: local path or gs:// address; made when needed.
        configuration: all that decides the result; JSON.
    """

    def __init__(self, folder: StrPath, configuration: dict[str, Any]):
        self.folder, self.configuration = os.fspath(folder), configuration
        self._lease = Lease(self._path(LEASE), "training")
        self._pointer, self._version = versioned(self._path(POINTER)), None
        self._known: set[str] = set()  # array files that are ours: written here, or taken over with the pointer
        self._named: set[str] = set()  # those of them that the pointer names

    def __enter__(self) -> "Checkpoints":
        self._lease.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self._lease.release()
        if not storage.is_remote(self.folder):
            _remove_if_empty(self.folder)

    def load(self) -> tuple[State, dict[str, np.ndarray]] | None:
        """The state and the arrays of the last checkpoint, or None when there is none.

        Raises:
            InputError: it belongs to another configuration or training set, or is damaged.
        """
        seen = self._array_files()
        content, self._version = self._pointer.read()
        checkpoint: dict[str, Any] = {"state": State().to_json(), "file": None}
        if content is not None:
            checkpoint = self._parse(content)
            difference = first_difference(checkpoint["configuration"], self.configuration)
            if difference:
                raise InputError(f"{self._path(POINTER)}: this checkpoint is of another training ({difference}); "
                                 "choose another output folder, or delete this one")  # fmt: skip
        state, name = State(**checkpoint["state"]), checkpoint["file"]
        arrays = self._read(name) if name else None
        self._lease.check()
        self._point(state, name)  # a new version: whoever held the lease before cannot move the pointer any more
        self._known |= seen
        self._clear()
        return (state, arrays) if arrays is not None else None

    def save(self, state: State, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint; the one before stays valid until the pointer moves.

        Raises:
            LeaseLost: another training has taken over.
        """
        self._lease.check()
        name = f"state-{state.total_steps}-{self._lease.token[:8]}.npz"
        self._write(name, arrays)
        self._point(state, name)
        self._clear()

    def save_best(self, step: int, arrays: Mapping[str, np.ndarray]) -> str:
        """Write the model's variables at its best validation so far; returns the file's name, for the state."""
        self._lease.check()
        name = f"best-{step}-{self._lease.token[:8]}.npz"
        self._write(name, arrays)
        return name

    def load_best(self, name: str) -> dict[str, np.ndarray]:
        """The inverse of `save_best`."""
        return self._read(name)

    def remove(self) -> None:
        """Delete the checkpoint: the training is finished. One that another training has taken over is left to it."""
        seen = self._array_files()
        content, self._version = self._pointer.read()
        try:
            self._lease.check()
            if content is not None:
                self._point(State(), None)
            self._known, self._named = seen, set()
            self._clear()
            self._pointer.delete(self._version)
        except (LeaseLost, WriteConflict):
            log(f"{self.folder}: another training has taken over this checkpoint; it is left to it")

    def _path(self, name: str) -> str:
        return storage.join(self.folder, name)

    def _parse(self, content: bytes) -> dict[str, Any]:
        try:
            checkpoint = json.loads(content)
            return {key: checkpoint[key] for key in ("configuration", "state", "file")}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self._path(POINTER)}: the checkpoint is damaged ({error}); delete {self.folder}"
            ) from error

    def _point(self, state: State, name: str | None) -> None:
        """Have the pointer name a state's files; those of a state that it refuses go, for nobody will read them."""
        value = {"configuration": self.configuration, "state": state.to_json(), "file": name}
        content = json.dumps({**value, "writer": self._lease.token}, allow_nan=False).encode()
        try:
            self._version = self._pointer.write(content, self._version)
        except WriteConflict:
            self._delete(self._known - self._named)
            self._lease.check()
            raise
        self._named = {file for file in (name, _best(state)) if file}
        self._known |= self._named

    def _clear(self) -> None:
        """Delete the array files that are ours and that the pointer, which is still ours, does not name any more."""
        if self._pointer.read()[1] != self._version:
            self._lease.check()
            raise WriteConflict(f"{self._path(POINTER)}: somebody else changed this file")
        self._delete(self._known - self._named)
        self._known = set(self._named)

    def _delete(self, names: set[str]) -> None:
        for name in sorted(names):
            storage.delete(self._path(name))

    def _array_files(self) -> set[str]:
        """The array files that are there, and what killed writes have left of such files."""
        return {name for name in storage.list_names(self.folder) if ARRAYS in name}

    def _write(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self._known.add(name)
        with storage.atomic_file(self._path(name)) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _read(self, name: str) -> dict[str, np.ndarray]:
        path = self._path(name)
        try:
            with storage.local_copy(path) as file, np.load(file) as content:
                return dict(content)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{path}: the checkpoint is damaged ({error}); delete {self.folder}") from error


def _best(state: State) -> str | None:
    return state.best["file"] if state.best else None


def _remove_if_empty(folder: str) -> None:
    """Remove a local folder in which no checkpoint is left, with the files that guarded its versions."""
    names = storage.list_names(folder)
    if all(name.startswith(storage.PARTIAL) for name in names):
        with contextlib.suppress(OSError):  # somebody has begun another there
            for name in names:
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)


def holds_checkpoint(folder: str) -> bool:
    """Whether there is a checkpoint in a folder, or what a kill has left of one."""
    names = storage.list_names(folder)
    return any(ARRAYS in name or name == POINTER for name in names) or (bool(names) and not storage.is_remote(folder))


def clear_finished(folder: str, configuration: dict[str, Any]) -> None:
    """Delete what a finished training has left of its checkpoint, as a kill between its last two acts does.

    One that somebody is at work in is left to them.
    """
    if holds_checkpoint(folder):
        try:
            with Checkpoints(folder, configuration) as checkpoints:
                checkpoints.remove()
        except InputError as error:
            log(f"{folder}: the checkpoint of a finished training stays for now ({error})")


def first_difference(there: Any, here: Any, key: str = "") -> str | None:
    """`preset.batch_size is 128 there and 64 here`, for the first of two JSON values' differences; None without any."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in [*there, *(name for name in here if name not in there)]:
            difference = first_difference(there.get(name), here.get(name), f"{key}.{name}" if key else name)
            if difference:
                return difference
        return None
    if there == here:
        return None
    return f"{key} is {json.dumps(there)} there and {json.dumps(here)} here"
