"""Checkpoints: a killed training continues where it was, to the bit.

A checkpoint is a folder with a pointer file, `checkpoint.json`, written last and atomically. It holds the configuration
(all that decides the result), the state, and the names of two array files: `state-STEP.npz` with every variable of
the model and the optimizer and the recent examples, and `best-STEP.npz` with the model at its best validation. Files
that the pointer does not name are leftovers of a kill; they are removed with the next checkpoint.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from yt8m.errors import InputError
from yt8m.storage import atomic_file, read_json, write_json
from yt8m.training.state import State

POINTER = "checkpoint.json"


class Checkpoints:
    """The checkpoint folder of one training.

    Args:
        folder: where it is; made when needed.
        configuration: all that decides the result; JSON.
    """

    def __init__(self, folder: str | os.PathLike[str], configuration: dict[str, Any]):
        self.folder, self.configuration = Path(folder), configuration

    def load(self) -> tuple[State, dict[str, np.ndarray]] | None:
        """The state and the arrays of the last checkpoint, or None when there is none.

        Raises:
            InputError: it belongs to another configuration or training set, or is damaged.
        """
        pointer = self.folder / POINTER
        if not pointer.exists():
            return None
        content = read_json(pointer)
        difference = first_difference(content["configuration"], self.configuration)
        if difference:
            raise InputError(f"{pointer}: this checkpoint is of another training ({difference}); "
                             "choose another output folder, or delete this one")  # fmt: skip
        return State(**content["state"]), self._read(content["file"])

    def save(self, state: State, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint; the one before stays valid until the pointer moves."""
        name = f"state-{state.total_steps}.npz"
        self._write(name, arrays)
        content = {"configuration": self.configuration, "state": state.to_json(), "file": name}
        write_json(self.folder / POINTER, content)
        self._remove_all_but({POINTER, name, (state.best or {}).get("file")})

    def save_best(self, step: int, arrays: Mapping[str, np.ndarray]) -> str:
        """Write the model's variables at its best validation so far; returns the file's name, for the state."""
        name = f"best-{step}.npz"
        self._write(name, arrays)
        return name

    def load_best(self, name: str) -> dict[str, np.ndarray]:
        """The inverse of `save_best`."""
        return self._read(name)

    def remove(self) -> None:
        """Delete the checkpoint: the training is finished. The pointer goes first."""
        if self.folder.exists():
            (self.folder / POINTER).unlink(missing_ok=True)
            self._remove_all_but(set())
            self.folder.rmdir()

    def _write(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        with atomic_file(self.folder / name) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _read(self, name: str) -> dict[str, np.ndarray]:
        path = self.folder / name
        try:
            with np.load(path) as file:
                return dict(file)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path}: the checkpoint is damaged ({error}); delete {self.folder}") from error

    def _remove_all_but(self, names: set[str | None]) -> None:
        for file in self.folder.iterdir():
            if file.name not in names:
                file.unlink()


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
