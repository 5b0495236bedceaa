"""Checkpoints: a killed training continues where it was, to the bit, on this machine or on another.

A checkpoint is a folder, or an address on gs://, with a pointer file, `checkpoint.json`, written last and atomically.
It holds the configuration (all that decides the result), the state, and the names of two array files: `state-*.npz`
with every variable of the model and the optimizer and the recent examples, and `best-*.npz` with the model at its best
validation. Files that the pointer does not name are leftovers of a kill; they are removed when the checkpoint is
opened. A lease keeps a second training out; the pointer is replaced by version, so that one which was taken for dead
and wakes up cannot move it.
"""

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from yt8m import storage
from yt8m.errors import InputError
from yt8m.storage.lease import Lease
from yt8m.storage.versioned import WriteConflict, versioned
from yt8m.training.state import State

POINTER, LEASE, ARRAYS = "checkpoint.json", "lease.json", ".npz"


class Checkpoints:
    """The checkpoint folder of one training; a context manager that holds the folder's lease.

    Args:
        folder: local path or gs:// address; made when needed.
        configuration: all that decides the result; JSON.
    """

    def __init__(self, folder: str | os.PathLike[str], configuration: dict[str, Any]):
        self.folder, self.configuration = os.fspath(folder), configuration
        self._lease = Lease(self._path(LEASE), "training")
        self._pointer, self._version = versioned(self._path(POINTER)), None

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
        content, self._version = self._pointer.read()
        if content is None:
            return None
        checkpoint = self._parse(content)
        difference = first_difference(checkpoint["configuration"], self.configuration)
        if difference:
            raise InputError(f"{self._path(POINTER)}: this checkpoint is of another training ({difference}); "
                             "choose another output folder, or delete this one")  # fmt: skip
        state, name = State(**checkpoint["state"]), checkpoint["file"]
        arrays = self._read(name)
        self._point(checkpoint)  # a new version: whoever held the lease before cannot move the pointer any more
        self._remove_all_but({name, _best(state)})
        return state, arrays

    def save(self, state: State, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint; the one before stays valid until the pointer moves."""
        self._lease.check()
        name = f"state-{state.total_steps}-{self._lease.token[:8]}.npz"
        self._write(name, arrays)
        self._point({"configuration": self.configuration, "state": state.to_json(), "file": name})
        self._remove_all_but({name, _best(state)})

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
        """Delete the checkpoint: the training is finished. The pointer goes first."""
        self._pointer.delete(self._pointer.read()[1])
        self._remove_all_but(set())

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

    def _point(self, checkpoint: dict[str, Any]) -> None:
        content = json.dumps({**checkpoint, "writer": self._lease.token}, allow_nan=False).encode()
        try:
            self._version = self._pointer.write(content, self._version)
        except WriteConflict:
            self._lease.check()
            raise

    def _write(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        with storage.atomic_file(self._path(name)) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _read(self, name: str) -> dict[str, np.ndarray]:
        path = self._path(name)
        try:
            with storage.local_copy(path) as file, np.load(file) as content:
                return dict(content)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{path}: the checkpoint is damaged ({error}); delete {self.folder}") from error

    def _remove_all_but(self, names: set[str | None]) -> None:
        """Delete array files of other names, and what writes that were killed have left of such files."""
        for name in storage.list_names(self.folder):
            if ARRAYS in name and name not in names:
                storage.delete(self._path(name))


def _best(state: State) -> str | None:
    return state.best["file"] if state.best else None


def _remove_if_empty(folder: str) -> None:
    """Remove a local folder in which no checkpoint is left, with the files that guarded its versions."""
    names = storage.list_names(folder)
    if all(name.startswith(storage.PARTIAL) for name in names):
        shutil.rmtree(folder, ignore_errors=True)


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
