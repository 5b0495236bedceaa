"""Parts of a long prediction, kept until it is finished, so that a killed one goes on where it was.

The parts lie in a folder (local or gs://) with `job.json`, which says what is being predicted. A part holds the results
of the steps FIRST to END (exclusive) in `FIRST-END.npz`, and appears whole or not at all. Parts of another job are
deleted.
"""

import io
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.errors import InputError
from yt8m.progress import log
from yt8m.storage import (
    StrPath,
    atomic_file,
    delete,
    exists,
    is_remote,
    join,
    list_files,
    read_bytes,
    read_json,
    write_json,
)

JOB = "job.json"
NAME = re.compile(r"(\d{8})-(\d{8})\.npz")


@dataclass(frozen=True)
class Part:
    """Results of the steps `first` to `end` (exclusive): arrays by name."""

    first: int
    end: int
    arrays: dict[str, np.ndarray]


class PartialResults:
    """The parts of one prediction.

    Args:
        folder: local or gs://; made with the first part.
        job: what decides the results; JSON.
    """

    def __init__(self, folder: StrPath, job: dict[str, Any]):
        self._folder, self._job = os.fspath(folder), job
        self._is_ours = False

    def load(self) -> list[Part]:
        """The parts from step 0 on, without a gap; none when another job left them.

        Raises:
            InputError: a part is damaged.
        """
        if not exists(join(self._folder, JOB)):
            return []
        if read_json(join(self._folder, JOB)) != self._job:
            log(f"{self._folder}: parts of another prediction are deleted")
            self.remove()
            return []
        self._is_ours = True
        parts: list[Part] = []
        for first, end, path in sorted(self._files()):
            if first == (parts[-1].end if parts else 0):
                parts.append(Part(first, end, _read(path)))
        return parts

    def save(self, part: Part) -> None:
        """Keep a part."""
        if not self._is_ours:
            write_json(join(self._folder, JOB), self._job)
            self._is_ours = True
        content = io.BytesIO()
        np.savez(content, **part.arrays)  # type: ignore[arg-type]
        with atomic_file(join(self._folder, f"{part.first:08d}-{part.end:08d}.npz")) as temporary:
            temporary.write_bytes(content.getvalue())

    def remove(self) -> None:
        """Delete all parts: the prediction is finished. `job.json` goes last, so that none is taken for another's."""
        for _, _, path in self._files():
            delete(path)
        delete(join(self._folder, JOB))
        if not is_remote(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)  # what a killed write began

    def _files(self) -> list[tuple[int, int, str]]:
        """First step, end and path of each part."""
        if not exists(join(self._folder, JOB)):
            return []
        files = [(NAME.fullmatch(os.path.basename(file.path)), file.path) for file in list_files(self._folder, "*")]
        return [(int(match[1]), int(match[2]), path) for match, path in files if match]


def _read(path: str) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(read_bytes(path))) as content:
            return dict(content)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        folder = path.rpartition("/")[0]
        raise InputError(f"{path}: this part of a prediction is damaged ({error}); delete {folder}") from error
