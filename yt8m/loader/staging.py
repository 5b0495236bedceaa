"""Shards on gs:// brought to scratch space ahead of their reading, window after window.

One thread walks along the windows of an order and decides: which pieces in scratch space serve a window, what has to
be fetched, and what is removed to make room (of the shards that no window needs now, those needed last). Others fetch.
A window is pinned from the moment it is decided on until its last item has been read; since each window fits into the
scratch space alone, and windows are served in order, everybody who waits is served in the end.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from yt8m.data.records.tfrecord import OVERHEAD
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader.plan import Extents, to_fetch
from yt8m.loader.prefetch import Stopped
from yt8m.loader.remote import RemoteShards
from yt8m.loader.scratch import GB, Piece, Scratch
from yt8m.loader.window import Window, Windows
from yt8m.storage import FileInfo


class Need(NamedTuple):
    """What a window needs of a shard: its records there, and what to fetch if scratch space has nothing of them."""

    shard: int
    records: Extents
    fresh: Extents


class StagedWindow:
    """The shards of a window, in scratch space; `Shards` for whoever reads its items.

    Attributes:
        window: whose items it serves.
        pieces: by the number of their shard.
        is_complete: whether all that it needs is decided on.
        missing: pieces that have not come yet.
        left: items that have not been read yet.
        error: what went wrong with one of its pieces.
        paths: as of `Shards`.
    """

    in_pieces = True

    def __init__(self, window: Window, left: int, remote: RemoteShards, scratch: Scratch):
        self.window, self.left, self.paths = window, left, remote.paths
        self.pieces: dict[int, list[Piece]] = {}
        self.is_complete, self.missing = False, set[Piece]()
        self.error: BaseException | None = None
        self._remote, self._files = remote, scratch.files

    def pin(self, piece: Piece) -> None:
        """Keep a piece until the window has been read."""
        piece.pins += 1
        self.pieces.setdefault(piece.shard, []).append(piece)
        if not piece.is_there:
            self.missing.add(piece)

    def unpin(self) -> Iterator[Piece]:
        """Give its pieces back."""
        for pieces in self.pieces.values():
            for piece in pieces:
                piece.pins -= 1
                yield piece

    def read_into(self, number: int, offset: int, *memory: np.ndarray) -> int:
        """As `Shards.read_into`; what is not staged (the headers of other records) comes from the object."""
        for piece in self.pieces.get(number, []):
            position = piece.position(offset, sum(map(len, memory)))
            if position is not None:
                return self._files.read_into(piece.path, position, *memory)
        return self._remote.read_into(number, offset, *memory)

    def announce(self, number: int, offset: int, length: int) -> None:
        """As `Shards.announce`."""
        for piece in self.pieces.get(number, []):
            position = piece.position(offset, length)
            if position is not None:
                self._files.announce(piece.path, position, length)
                return


def needs_of(index: VideoIndex, objects: list[FileInfo], rows: np.ndarray) -> list[Need]:
    """What some rows need of each shard that they lie in."""
    rows = rows[np.lexsort((index.offsets[rows], index.shard_numbers[rows]))]
    shards, starts = index.shard_numbers[rows], index.offsets[rows].astype(np.int64)
    ends, needs = starts + index.lengths[rows] + OVERHEAD, []
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(shards)) + 1):
        shard, records = int(shards[part[0]]), Extents(starts[part], ends[part])
        needs.append(Need(shard, records, to_fetch(records, objects[shard].size)))
    return needs


def serve(pieces: list[Piece], need: Need, size: int) -> tuple[list[Piece], Extents]:
    """Which pieces of a shard serve a need, the largest first, and what remains to be fetched."""
    chosen, missing = [], need.records
    for piece in sorted(pieces, key=lambda piece: -piece.size):
        covered = piece.covers(missing)
        if covered.any():
            chosen.append(piece)
            missing = Extents(missing.starts[~covered], missing.ends[~covered])
    fetch = to_fetch(missing, size)
    return ([], fetch) if fetch.size == size else (chosen, fetch)


@dataclass(frozen=True)
class Staging:
    """How shards on gs:// are staged. Only `window_bytes` has a say in the order of a training.

    Attributes:
        folder: where shards are kept, also for the next run; by default a temporary folder that is removed.
        scratch_bytes: the most bytes there; by default 64 GB, or half of what is free on the disk if that is less.
        window_bytes: of the shards that are shuffled together; the scratch space should hold two windows, to fill one
            while the other is read, and keeps shards for later windows in the rest.
        threads: that fetch.
    """

    folder: str | None = None
    scratch_bytes: int | None = None
    window_bytes: int = 4 * GB
    threads: int = 8

    def __post_init__(self) -> None:
        for name in ("scratch_bytes", "window_bytes", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")


DEFAULT_STAGING = Staging()
MB = 10**6


class Stager:
    """Stages the windows of an order from an item on, ahead of those who read them.

    Args:
        index: whose rows are read.
        remote: its shards.
        order: of the rows.
        staging: where, and how much.
        items: the first that will be read, and the one that reading ends before (None for no end).
        ahead: windows staged beyond the first that is not read to its end.
        keep: whether shards stay in scratch space for later windows; in a folder that the user named they always do.

    Attributes:
        network_bytes: fetched so far, by epoch.

    Raises:
        InputError: the scratch space does not hold a window.
    """

    def __init__(
        self,
        index: VideoIndex,
        remote: RemoteShards,
        order: Windows,
        staging: Staging,
        *,
        items: tuple[int, int | None],
        ahead: int,
        keep: bool,
    ):
        self.network_bytes: dict[int, int] = {}
        self._index, self._remote, self._order = index, remote, order
        self._start, self._stop = items
        self._ahead = ahead
        self._scratch = Scratch(remote.objects, staging.folder, staging.scratch_bytes)
        self._keep = keep or not self._scratch.is_temporary
        self._open: list[StagedWindow] = []
        self._error: BaseException | None = None
        self._given_up = threading.Event()
        self._changed = threading.Condition()
        try:
            self._check_space(order.largest_window(self._start))
        except BaseException:
            self._scratch.close()
            raise
        self._pool = ThreadPoolExecutor(staging.threads, "yt8m-staging")
        self._thread = threading.Thread(target=self._run, name="yt8m-staging", daemon=True)
        self._thread.start()

    def read(self, first: int, end: int) -> Iterator[tuple[int, int, StagedWindow]]:
        """Items first to end (exclusive) in turns of one window each; a turn counts as read when the next is asked for.

        Raises:
            Stopped: it was given up meanwhile.
            InputError: a shard could not be fetched.
        """
        while first < end:
            staged = self._wait_for(first)
            last = min(end, staged.window.stop)
            yield first, last, staged
            self._count(staged, last - first)
            first = last

    def give_up(self) -> None:
        """Let everybody who waits raise Stopped."""
        self._given_up.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the threads and leave the scratch space; a second call does nothing."""
        self.give_up()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._scratch.close()

    def _check_space(self, needed: int) -> None:
        space = self._scratch.max_bytes
        if needed > space:
            raise InputError(
                f"{self._scratch.folder}: a window of shards takes {needed / MB:,.1f} MB, the scratch space has "
                f"{space / MB:,.1f} MB; allow more (--scratch-gb) or name a larger disk (--scratch)"
            )

    def _run(self) -> None:
        try:
            for window in self._order.windows(self._start):
                if self._stop is not None and window.start >= self._stop:
                    break
                self._stage(window)
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _stage(self, window: Window) -> None:
        needs = needs_of(self._index, self._remote.objects, window.rows)
        next_uses = self._order.next_uses(window, np.arange(len(self._remote.objects)))
        with self._changed:
            self._wait(lambda: len(self._open) <= self._ahead)
            staged = StagedWindow(window, window.stop - max(window.start, self._start), self._remote, self._scratch)
            self._open.append(staged)
            fetches = self._reuse(staged, needs)
            for position, (shard, extents) in enumerate(fetches):
                self._make_room(next_uses, [one.size for _, one in fetches[position:]])
                self._pin(staged, self._scratch.add(shard, extents))
            staged.is_complete = True
            self._changed.notify_all()

    def _reuse(self, staged: StagedWindow, needs: list[Need]) -> list[tuple[int, Extents]]:
        """Pin what scratch space has of a window; returns what is to be fetched: (shard, extents).

        A kept shard takes more room than the few records that the window needs of it; it is used as long as that room
        is not needed for the rest of the window.
        """
        needed = sum(need.fresh.size for need in needs)
        self._check_space(needed)
        slack = self._scratch.max_bytes - needed
        fetches = []
        for need in needs:
            pieces, fetch = serve(self._scratch.pieces.get(need.shard, []), need, self._remote.objects[need.shard].size)
            cost = sum(piece.size for piece in pieces) + fetch.size - need.fresh.size
            if cost <= slack:
                slack -= cost
                for piece in pieces:
                    self._pin(staged, piece)
            else:
                fetch = need.fresh
            if fetch.size:
                fetches.append((need.shard, fetch))
        return fetches

    def _make_room(self, next_uses: np.ndarray, sizes: list[int]) -> None:
        """Wait until there is room for the first of some sizes; once anything must go, room is made for all."""
        scratch = self._scratch
        scratch.remove_leftovers(sum(sizes))
        while scratch.used + sizes[0] > scratch.max_bytes:
            idle = [piece for piece in scratch if not piece.pins]
            idle.sort(key=lambda piece: int(next_uses[piece.shard]))
            while idle and scratch.used + sum(sizes) > scratch.max_bytes:
                scratch.remove(idle.pop())
            if scratch.used + sizes[0] > scratch.max_bytes:
                self._wait_once()

    def _pin(self, staged: StagedWindow, piece: Piece) -> None:
        staged.pin(piece)
        if not piece.asked_for:
            piece.asked_for = True
            self._pool.submit(self._fetch, piece, staged.window.epoch)

    def _fetch(self, piece: Piece, epoch: int) -> None:
        moved, problem = 0, None
        try:
            moved = self._scratch.fetch(piece, self._given_up)
        except BaseException as error:
            problem = error
        with self._changed:
            self.network_bytes[epoch] = self.network_bytes.get(epoch, 0) + moved
            piece.is_there = problem is None
            for staged in self._open:
                if piece in staged.missing:
                    staged.missing.discard(piece)
                    staged.error = staged.error or problem
            self._changed.notify_all()

    def _wait_for(self, item: int) -> StagedWindow:
        """The window of an item, once it is staged."""
        with self._changed:
            while True:
                staged = next((one for one in self._open if one.window.start <= item < one.window.stop), None)
                if staged and staged.error:
                    raise staged.error
                if staged and staged.is_complete and not staged.missing:
                    return staged
                if self._error and not (staged and staged.is_complete):
                    raise self._error
                self._wait_once()

    def _count(self, staged: StagedWindow, items: int) -> None:
        with self._changed:
            staged.left -= items
            if staged.left:
                return
            self._open.remove(staged)
            for piece in staged.unpin():
                if not self._keep and not piece.pins:
                    self._scratch.remove(piece)
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._wait_once()

    def _wait_once(self) -> None:
        if self._given_up.is_set():
            raise Stopped
        self._changed.wait()
        if self._given_up.is_set():
            raise Stopped
