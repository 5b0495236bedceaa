"""Batch memory that is used again.

A batch of 160 videos with 300 frames is 55 MB; taking fresh pages for each costs the kernel more than filling them.
An array is lent as a view, and lent again once no view of it is left: not those of the consumer, nor a tensor that
shares its memory. So a batch stays valid for as long as anybody holds any of its arrays, and a consumer that drops
each batch before it asks for the next keeps the memory at what prefetching needs.
"""

import sys
import threading

import numpy as np

# CPython counts three references to an array that only the pool holds: the list's, the loop's and the call's own.
IDLE_REFERENCES = 3


class BufferPool:
    """Arrays of one shape and type, for several threads.

    Args:
        shape, dtype: of every array.
        keep: how many arrays to keep for reuse; when all are in use, further ones are made and not kept.
    """

    def __init__(self, shape: tuple[int, ...], dtype: type, keep: int):
        self._shape, self._dtype, self._keep = shape, dtype, keep
        self._arrays: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self) -> np.ndarray:
        """An array with arbitrary content that nobody else holds."""
        with self._lock:
            for array in self._arrays:
                if sys.getrefcount(array) == IDLE_REFERENCES:
                    return array.view()
            array = np.empty(self._shape, self._dtype)
            if len(self._arrays) < self._keep:
                self._arrays.append(array)
            return array.view()
