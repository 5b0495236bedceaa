"""Making things ahead of their use, in threads, in order."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


def default_threads() -> int:
    """As many as the cores this process may use, at most 8."""
    return min(len(os.sched_getaffinity(0)), 8)


class Stopped(Exception):
    """Raised by work that notices that its result is no longer wanted."""


class Prefetch(Iterator[Item], Generic[Item]):
    """The items `make(start), ..., make(stop - 1)`, in that order, made ahead by threads.

    What `make` raises is raised here, unchanged, when the consumer comes to that item; the iteration then ends. It ends
    too, and the threads with it, at `close`, at the end of a `with` block, and when the iterator is dropped.

    Args:
        make: called with an item's number and an event that is set when the work is to be given up.
        start: the first item.
        stop: the item to end before; None goes on for ever.
        ahead: items that are made, or in the making, before the consumer asks.
        threads: that make them.

    Attributes:
        waited_seconds: how long the consumer has waited for items so far.
    """

    def __init__(
        self,
        make: Callable[[int, threading.Event], Item],
        start: int,
        stop: int | None,
        *,
        ahead: int,
        threads: int,
    ):
        self.waited_seconds = 0.0
        self._make, self._next, self._stop, self._ahead = make, start, stop, max(ahead, 1)
        self._given_up = threading.Event()
        self._pending: deque[Future[Item]] = deque()
        self._pool = ThreadPoolExecutor(threads, "yt8m-loader")

    def __iter__(self) -> "Prefetch[Item]":
        return self

    def __next__(self) -> Item:
        self._submit()
        if not self._pending:
            self.close()
            raise StopIteration
        started = time.perf_counter()
        try:
            return self._pending.popleft().result()
        except BaseException:
            self.close()
            raise
        finally:
            self.waited_seconds += time.perf_counter() - started
            self._submit()

    def _submit(self) -> None:
        while len(self._pending) < self._ahead and self._wanted():
            self._pending.append(self._pool.submit(self._make, self._next, self._given_up))
            self._next += 1

    def _wanted(self) -> bool:
        return not self._given_up.is_set() and (self._stop is None or self._next < self._stop)

    def close(self) -> None:
        """Give up what is in the making and end the threads."""
        self._given_up.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_pool"):
            self.close()
