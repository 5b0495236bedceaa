"""Local files read at any place by any number of threads, few of them open at a time."""

import os
import threading
from collections import OrderedDict

import numpy as np

from yt8m.errors import InputError

MAX_OPEN = 512


class _OpenFile:
    """A descriptor that is closed when the last thread that reads from it lets go."""

    def __init__(self, path: str):
        try:
            self.descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check the shard") from error

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class OpenFiles:
    """Files by path, opened when they are read and kept open as long as there is room.

    Reads are `pread` calls into the caller's memory: they give up the interpreter lock, so threads keep a disk busy,
    and a shard that shrinks meanwhile is an error to report. A memory map measures 5 % faster on a warm cache, holds
    the lock at each page fault, and kills the process when the file shrinks.

    Args:
        max_open: descriptors to keep; the one used longest ago is closed first.
    """

    def __init__(self, max_open: int = MAX_OPEN):
        self._max_open = max_open
        self._open: OrderedDict[str, _OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def read_into(self, path: str, offset: int, memory: np.ndarray) -> int:
        """Fill `memory` (uint8 [n]) from byte `offset` of a file; returns the bytes read, below n at its end.

        Raises:
            InputError: the disk or the system refuses.
        """
        file, done = self._file(path), 0
        try:
            while done < len(memory):
                read = os.preadv(file.descriptor, [memory[done:].data], offset + done)
                if not read:
                    break
                done += read
        except OSError as error:
            raise InputError(f"{path}: cannot be read at byte {offset:,} ({error.strerror}); "
                             "check the disk and fetch the shard again") from error  # fmt: skip
        return done

    def announce(self, path: str, offset: int, length: int) -> None:
        """Let the disk fetch bytes that will be read soon, unless the first of them is in memory already."""
        file = self._file(path)
        try:
            # Asking costs 1 us, announcing 10 us even for bytes that are in memory.
            os.preadv(file.descriptor, [bytearray(1)], offset, os.RWF_NOWAIT)
        except OSError:
            os.posix_fadvise(file.descriptor, offset, length, os.POSIX_FADV_WILLNEED)

    def forget(self, path: str) -> None:
        """Close a file that is going to be deleted."""
        with self._lock:
            self._open.pop(path, None)

    def _file(self, path: str) -> _OpenFile:
        with self._lock:
            file = self._open.pop(path, None) or _OpenFile(path)
            self._open[path] = file
            if len(self._open) > self._max_open:
                self._open.popitem(last=False)
            return file
