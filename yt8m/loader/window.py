"""Orders in windows: which videos are staged and shuffled together, so that shards can be read whole from gs://.

Everything is arithmetic on (training set, seed, epoch, window size), so the window that a step falls into is computed,
not walked to. Copies of a video never meet in a window (see `plan.py`).
"""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from yt8m.data.records.tfrecord import OVERHEAD
from yt8m.data.records.video_index import VideoIndex
from yt8m.loader.order import Order, stream
from yt8m.loader.plan import NEVER, Plan, layout_of, next_use, plan_epoch
from yt8m.loader.reader import PADDING

WINDOWS = 2  # beside ORDER and FRAMES of `order.py`
PLANS_KEPT = 3


@dataclass(frozen=True)
class Window:
    """Consecutive items of an order that are staged together.

    Attributes:
        epoch: of the training.
        number: in its epoch.
        start, stop: the items, stop exclusive.
        rows: integers [stop - start], of the index.
    """

    epoch: int
    number: int
    start: int
    stop: int
    rows: np.ndarray


class Windows(Protocol):
    """An order in windows."""

    def rows(self, start: int, stop: int) -> np.ndarray:
        """int64 [stop - start]: the rows of items start to stop (exclusive)."""

    def windows(self, start: int) -> Iterator[Window]:
        """The window that holds item `start`, and those after it."""

    def largest_window(self, start: int) -> int:
        """Bytes to stage for the largest window of the epoch of item `start`."""

    def next_uses(self, window: Window, shards: np.ndarray) -> np.ndarray:
        """int64 [n]: the window, counted on from this epoch, that reads each shard next; NEVER where none does."""


class WindowedOrder(Order):
    """The order of a phase for shards that are staged; safe to use from several threads.

    Args:
        index: of the training set.
        repeats: integers [n], how often an epoch holds each row.
        seed: of the training.
        phase: the number of the phase, from 0.
        window_bytes: the most bytes of shards in a window, those laid over it aside; one shard is always taken.

    Raises:
        InputError: the phase holds no video.
    """

    def __init__(self, index: VideoIndex, repeats: np.ndarray, seed: int, phase: int, window_bytes: int):
        super().__init__(repeats, seed, phase)
        self._layout, self._window_bytes = layout_of(index, repeats), window_bytes
        self._plans: dict[int, Future[Plan]] = {}

    def plan(self, epoch: int) -> Plan:
        """The windows of an epoch."""
        with self._lock:
            future, is_mine = self._plans.get(epoch), epoch not in self._plans
            if future is None:
                future = self._plans[epoch] = Future()
                for old in sorted(self._plans)[:-PLANS_KEPT]:
                    del self._plans[old]
        if is_mine:
            try:
                random = stream(self._seed, WINDOWS, self._phase, epoch)
                future.set_result(plan_epoch(self._layout, random, self._window_bytes))
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def windows(self, start: int) -> Iterator[Window]:
        """As `Windows.windows`; without an end."""
        epoch, item = divmod(start, self.epoch_size)
        first = int(np.searchsorted(self.plan(epoch).bounds, item, side="right")) - 1
        while True:
            plan, base = self.plan(epoch), epoch * self.epoch_size
            for number in range(first, len(plan.sizes)):
                low, high = plan.bounds[number : number + 2].tolist()
                yield Window(epoch, number, base + low, base + high, plan.rows[low:high])
            epoch, first = epoch + 1, 0

    def largest_window(self, start: int) -> int:
        """As `Windows.largest_window`."""
        return int(self.plan(start // self.epoch_size).sizes.max())

    def next_uses(self, window: Window, shards: np.ndarray) -> np.ndarray:
        """As `Windows.next_uses`, up to the end of the next epoch."""
        plan = self.plan(window.epoch)
        found = plan.next_use(shards, window.number + 1)
        if (found == NEVER).any():
            later = self.plan(window.epoch + 1).next_use(shards, 0)
            found = np.minimum(found, np.where(later == NEVER, NEVER, later + len(plan.sizes)))
        return found

    def _epoch(self, epoch: int) -> np.ndarray:
        return self.plan(epoch).rows


class IndexOrder:
    """The videos of an index in its order; a window is a stretch of it that lies in one shard.

    Args:
        index: of shards.
    """

    def __init__(self, index: VideoIndex):
        self._index = index
        changes = np.flatnonzero(np.diff(index.shard_numbers, prepend=-2))
        self._bounds = np.append(changes, len(index))
        self._uses = np.sort(index.shard_numbers[changes].astype(np.int64) * len(changes) + np.arange(len(changes)))

    def rows(self, start: int, stop: int) -> np.ndarray:
        """As `Windows.rows`; PADDING after the end of the index."""
        rows = np.arange(start, stop)
        rows[rows >= len(self._index)] = PADDING
        return rows

    def windows(self, start: int) -> Iterator[Window]:
        """As `Windows.windows`."""
        first = int(np.searchsorted(self._bounds, start, side="right")) - 1
        for number in range(first, len(self._bounds) - 1):
            low, high = self._bounds[number : number + 2].tolist()
            yield Window(0, number, low, high, np.arange(low, high))

    def largest_window(self, start: int) -> int:
        """As `Windows.largest_window`, if nothing has to be read between records."""
        if not len(self._index):
            return 0
        first = self._bounds[:-1]
        selected = np.add.reduceat(self._index.lengths.astype(np.int64) + OVERHEAD, first)
        whole = np.array([shard.size for shard in self._index.shards])[self._index.shard_numbers[first]]
        return int(np.where(2 * selected >= whole, whole, selected).max())

    def next_uses(self, window: Window, shards: np.ndarray) -> np.ndarray:
        """As `Windows.next_uses`."""
        return next_use(self._uses, len(self._bounds) - 1, shards, window.number + 1)
