"""Stretches of a shard, as arrays of starts and ends in bytes: which to fetch, and where they are kept."""

from typing import NamedTuple

import numpy as np

GAP_BYTES = 1 << 18
"""Ranges nearer than this are read as one: a request costs about as much as that many bytes."""


class Extents(NamedTuple):
    """Stretches of a shard in ascending order: int64 `starts` and `ends` (exclusive)."""

    starts: np.ndarray
    ends: np.ndarray

    @property
    def size(self) -> int:
        """Bytes of all."""
        return int((self.ends - self.starts).sum())


def whole(size: int) -> Extents:
    """All of a shard."""
    return Extents(np.zeros(1, np.int64), np.full(1, size, np.int64))


def coalesce(records: Extents) -> Extents:
    """Records as fewer stretches: what is less than GAP_BYTES apart, or overlaps, becomes one."""
    if not len(records.starts):
        return records
    reached = np.maximum.accumulate(records.ends)
    breaks = np.flatnonzero(records.starts[1:] - reached[:-1] >= GAP_BYTES) + 1
    return Extents(
        records.starts[np.concatenate(([0], breaks))],
        reached[np.concatenate((breaks, [len(reached)])) - 1],
    )


def to_fetch(records: Extents, size: int) -> Extents:
    """What to fetch of a shard of `size` bytes to have some records of it.

    All of it, unless they are under half of it: then the records alone, coalesced.
    """
    if not len(records.starts):
        return records
    return whole(size) if 2 * records.size >= size else coalesce(records)
