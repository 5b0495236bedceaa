"""An epoch laid out in passes and windows, as arithmetic on whole numbers.

An epoch is made of passes, a pass of windows, a window of the items of some shards. Each video is read at most once in
a pass. The shards of a pass stand in a random order and are cut into windows of about equal size; the items of a
window are shuffled.

A video with r copies takes r of the P passes of an epoch, evenly spaced from a random start: every pass has the same
mix of repeated and other videos. P is the highest number of copies, unless few videos have so many: passes for their
sake would hold little of any shard. Up to 5 % of the items are therefore laid over the other windows, each in one that
holds no other copy of its video, and fetched alone.
"""

from typing import NamedTuple

import numpy as np

from yt8m.data.records.tfrecord import OVERHEAD
from yt8m.data.records.video_index import VideoIndex

LAID_OVER = 0.05
NEVER = 1 << 62


class Layout(NamedTuple):
    """The m videos that a phase reads, in the order of their bytes.

    Attributes:
        rows: int32 [m], of the index.
        copies: int64 [m], at least 1.
        shards, starts, ends: int64 [m], where the record lies, framing included.
        shard_sizes: int64, bytes of each shard of the index.
    """

    rows: np.ndarray
    copies: np.ndarray
    shards: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    shard_sizes: np.ndarray


class _Visits(NamedTuple):
    """Readings of a shard in a pass (or in a window): int64 [v], in the order of (pass, shard)."""

    passes: np.ndarray
    shards: np.ndarray
    items: np.ndarray
    sizes: np.ndarray


class Plan(NamedTuple):
    """An epoch in T windows.

    Attributes:
        rows: int32 [items].
        bounds: int64 [T + 1], where the windows start among the items.
        sizes: int64 [T], bytes to stage.
        uses: int64, `shard * T + window` of each reading of a shard, ascending.
    """

    rows: np.ndarray
    bounds: np.ndarray
    sizes: np.ndarray
    uses: np.ndarray

    def next_use(self, shards: np.ndarray, number: int) -> np.ndarray:
        """int64 [n]: the first window from `number` on that reads each shard; NEVER where none does."""
        return next_use(self.uses, len(self.sizes), shards, number)


def layout_of(index: VideoIndex, repeats: np.ndarray) -> Layout:
    """The layout of a phase with these repeats (integers [n], how often an epoch holds each row of the index)."""
    order = np.lexsort((index.offsets, index.shard_numbers))
    rows = order[repeats[order] > 0]
    starts = index.offsets[rows].astype(np.int64)
    return Layout(
        rows.astype(np.int32), repeats[rows].astype(np.int64), index.shard_numbers[rows].astype(np.int64), starts,
        starts + index.lengths[rows] + OVERHEAD, np.array([shard.size for shard in index.shards], np.int64),
    )  # fmt: skip


def plan_epoch(layout: Layout, random: np.random.PCG64, window_bytes: int) -> Plan:
    """Lay out an epoch in windows of at most so many bytes.

    Args:
        layout: of the phase.
        random: bits that belong to the epoch; how many are taken follows from the layout and what was taken before.
        window_bytes: of a window, before items are laid over it.
    """
    most = int(layout.copies.max())
    passes = _passes(layout.copies)
    numbers, videos = _assign(layout.copies, passes, random)
    visits = _visits(layout, numbers, videos)
    windows = _pack(visits, random, window_bytes)
    if most > passes and windows.max() + 1 < most:  # too few windows for the copies of some video
        numbers, videos = _assign(layout.copies, most, random)
        visits, passes = _visits(layout, numbers, videos), most
        windows = _pack(visits, random, window_bytes)
    count = int(windows.max()) + 1
    of_items = np.repeat(windows, visits.items)
    over_windows, over_videos = _lay_over(layout.copies, passes, of_items, videos, count, random)
    if len(over_videos):  # a record laid over a window may close a gap or make its shard worth fetching whole
        of_items, videos = _sorted(np.append(of_items, over_windows), np.append(videos, over_videos), len(layout.rows))
        visits = _visits(layout, of_items, videos)
        windows = visits.passes
    sizes = np.bincount(windows, visits.sizes, count)
    uses = visits.shards * count + windows
    bounds = np.concatenate(([0], np.cumsum(np.bincount(of_items, minlength=count))))
    shuffled = _shuffle(of_items, videos, count, len(layout.rows), random)
    return Plan(layout.rows[shuffled], bounds, sizes.astype(np.int64), np.unique(uses))


def _passes(copies: np.ndarray) -> int:
    """The fewest passes that leave at most LAID_OVER of the items to be laid over them."""
    counts = np.bincount(copies)
    number = np.arange(len(counts))
    allowed = LAID_OVER * int((counts * number).sum())
    return next(p for p in range(1, len(counts)) if (counts * np.maximum(number - p, 0)).sum() <= allowed)


def _assign(copies: np.ndarray, passes: int, random: np.random.PCG64) -> tuple[np.ndarray, np.ndarray]:
    """The pass and the video (a position in the layout) of each item, in the order of (pass, video).

    With t uniform over 0..P - 1, floor((j P + t) / r) for j = 0..r - 1 are r different passes, and each pass is among
    them with probability r / P.
    """
    starts = (random.random_raw(len(copies)) % np.uint64(passes)).astype(np.int64)
    taken = np.minimum(copies, passes)
    videos = np.repeat(np.arange(len(copies)), taken)
    copy = np.arange(len(videos)) - np.repeat(np.cumsum(taken) - taken, taken)
    numbers = (copy * passes + starts[videos]) // taken[videos]
    return _sorted(numbers, videos, len(copies))


def _sorted(numbers: np.ndarray, videos: np.ndarray, videos_in_all: int) -> tuple[np.ndarray, np.ndarray]:
    """Items in the order of (number, video)."""
    keys = numbers * videos_in_all + videos
    keys.sort()
    return np.divmod(keys, videos_in_all)


def _visits(layout: Layout, numbers: np.ndarray, videos: np.ndarray) -> _Visits:
    """The readings that items need, in the order of (number, video); their sizes are those of `extents.to_fetch`.

    `numbers` are those of passes or of windows.
    """
    shards, starts, ends = layout.shards[videos], layout.starts[videos], layout.ends[videos]
    is_first = np.concatenate(([True], (np.diff(numbers) != 0) | (np.diff(shards) != 0)))
    first = np.flatnonzero(is_first)
    gaps = np.concatenate(([0], starts[1:] - ends[:-1]))
    gaps[is_first | (gaps >= GAP_BYTES)] = 0
    selected = np.add.reduceat(ends - starts, first)
    whole = layout.shard_sizes[shards[first]]
    coalesced = np.minimum(selected + np.add.reduceat(gaps, first), whole)
    sizes = np.where(2 * selected >= whole, whole, coalesced)
    return _Visits(numbers[first], shards[first], np.diff(first, append=len(videos)), sizes)


def _pack(visits: _Visits, random: np.random.PCG64, window_bytes: int) -> np.ndarray:
    """int64 [v]: the window of each visit, for visits in a random order within their pass.

    A pass of B bytes is cut where multiples of B / n are passed, so a window has at most B / n and one visit more.
    """
    places = random.random_raw(len(visits.passes))
    windows, count = np.empty(len(visits.passes), np.int64), 0
    for ours in np.split(np.arange(len(places)), np.flatnonzero(np.diff(visits.passes)) + 1):
        ours = ours[np.argsort(places[ours], kind="stable")]
        sizes = visits.sizes[ours]
        total, room = int(sizes.sum()), max(window_bytes - int(sizes.max()), 1)
        parts = -(-total // room) if total > window_bytes else 1
        parts_of = (np.cumsum(sizes) - sizes) // max(-(-total // parts), 1)
        windows[ours] = count + np.cumsum(np.diff(parts_of, prepend=parts_of[:1]) != 0)
        count = int(windows[ours[-1]]) + 1
    return windows


def _lay_over(
    copies: np.ndarray, passes: int, windows: np.ndarray, videos: np.ndarray, count: int, random: np.random.PCG64
) -> tuple[np.ndarray, np.ndarray]:
    """Window and video of the copies beyond the number of passes: evenly spaced over the windows without a copy.

    Args:
        copies: of each video.
        passes: how many there are.
        windows, videos: of the items that the passes hold, in the order of (pass, video).
        count: of windows.
        random: bits of the epoch.
    """
    many = np.flatnonzero(copies > passes)
    mine = copies[videos] > passes
    taken = windows[mine][np.argsort(videos[mine], kind="stable")].reshape(len(many), passes)
    more, free = copies[many] - passes, count - passes
    starts = (random.random_raw(len(many)) % np.uint64(max(free, 1))).astype(np.int64)
    of = np.repeat(np.arange(len(many)), more)
    copy = np.arange(len(of)) - np.repeat(np.cumsum(more) - more, more)
    chosen = (copy * free + starts[of]) // np.maximum(more[of], 1)
    for column in taken.T:  # ascending: from a place among the free windows to one among all
        chosen += chosen >= column[of]
    return chosen, many[of]


def _shuffle(
    windows: np.ndarray, videos: np.ndarray, count: int, videos_in_all: int, random: np.random.PCG64
) -> np.ndarray:
    """int64 [items]: the videos, window after window, shuffled in each."""
    low = np.uint64(max(videos_in_all - 1, 1).bit_length())
    high = np.uint64(64 - max(count - 1, 1).bit_length())
    # One sort of plain integers: the window above, random bits, the video below.
    keys = random.random_raw(len(videos)) >> (np.uint64(64) - high + low) << low
    keys |= windows.astype(np.uint64) << high
    keys |= videos.astype(np.uint64)
    keys.sort()
    return (keys & ((np.uint64(1) << low) - np.uint64(1))).view(np.int64)


def next_use(uses: np.ndarray, count: int, shards: np.ndarray, number: int) -> np.ndarray:
    """int64 [n]: the first of `count` windows from `number` on that reads each shard; NEVER where none does.

    Args:
        uses: int64, `shard * count + window` of each reading of a shard, ascending.
        count: of windows.
        shards: integers [n], numbers of shards.
        number: of a window.
    """
    place = np.searchsorted(uses, shards * count + number)
    use = uses[np.minimum(place, len(uses) - 1)]
    found = (place < len(uses)) & (use // count == shards)
    return np.where(found, use % count, NEVER)


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
