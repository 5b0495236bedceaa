"""The layout of an epoch in windows: complete, copies apart, mixed, bounded."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yt8m.loader.order import stream
from yt8m.loader.plan import NEVER, Extents, Layout, Plan, _passes, plan_epoch, to_fetch


def layout(copies: np.ndarray, shards: int, seed: int = 0) -> Layout:
    """Videos with the given numbers of copies in so many shards, with records between 50 and 350 KB."""
    random = np.random.default_rng(seed)
    numbers = np.sort(random.integers(0, shards, len(copies)))
    lengths = random.integers(50_000, 350_000, len(copies))
    ends = np.zeros(len(copies), np.int64)
    for shard in range(shards):
        ends[numbers == shard] = np.cumsum(lengths[numbers == shard])
    sizes = np.bincount(numbers, lengths, shards).astype(np.int64)
    used = copies > 0
    rows = np.flatnonzero(used).astype(np.int32)
    return Layout(rows, copies[used], numbers[used], (ends - lengths)[used], ends[used], sizes)


def windows_of(plan: Plan) -> np.ndarray:
    return np.repeat(np.arange(len(plan.sizes)), np.diff(plan.bounds))


def needed(one: Layout, rows: np.ndarray) -> int:
    """Bytes that some rows need, as the stager reckons."""
    total = 0
    videos = np.searchsorted(one.rows, np.sort(rows))
    for shard in np.unique(one.shards[videos]):
        mine = videos[one.shards[videos] == shard]
        total += to_fetch(Extents(one.starts[mine], one.ends[mine]), int(one.shard_sizes[shard])).size
    return total


copies_of_videos = st.one_of(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.lists(st.sampled_from([1] * 40 + [2, 3, 9]), min_size=50, max_size=300),
).filter(any).map(np.array)  # fmt: skip


@given(
    copies=copies_of_videos, shards=st.integers(1, 12), window=st.integers(1, 60_000_000), seed=st.integers(0, 2**60)
)
def test_every_copy_has_a_window_of_its_own(copies: np.ndarray, shards: int, window: int, seed: int) -> None:
    plan = plan_epoch(layout(copies, shards), stream(seed, 2, 0, 0), window)
    np.testing.assert_array_equal(np.bincount(plan.rows, minlength=len(copies)), copies)
    assert plan.bounds[0] == 0
    assert plan.bounds[-1] == len(plan.rows)
    assert (np.diff(plan.bounds) > 0).all()
    places = windows_of(plan) * len(copies) + plan.rows
    assert len(np.unique(places)) == len(places)


@example(np.array([1] * 12 + [2] + [1] * 37), 8, 1)  # the copy laid over a window makes its shard worth fetching whole
@given(copies=copies_of_videos, shards=st.integers(1, 12), window=st.integers(1, 60_000_000))
def test_windows_are_as_large_as_planned_and_no_larger_than_asked(copies: np.ndarray, shards: int, window: int) -> None:
    one = layout(copies, shards)
    plan = plan_epoch(one, stream(1, 2, 0, 0), window)
    if _passes(one.copies) == copies.max():  # nothing is laid over the windows
        assert plan.sizes.max() <= max(window, one.shard_sizes.max())
    for number, (low, high) in enumerate(zip(plan.bounds[:-1], plan.bounds[1:], strict=True)):
        assert needed(one, plan.rows[low:high]) <= plan.sizes[number]


def test_it_is_the_same_on_every_machine() -> None:
    # Written down once: a change here makes every interrupted training resume in another order.
    plan = plan_epoch(layout(np.array([1, 3, 0, 2, 1, 3]), 3), stream(7, 2, 0, 2), 500_000)
    assert plan.rows.tolist() == [4, 3, 1, 5, 5, 1, 0, 3, 1, 5]
    assert plan.bounds.tolist() == [0, 2, 3, 4, 5, 7, 8, 9, 10]


def test_it_depends_on_the_stream_and_the_window_size() -> None:
    one = layout(np.full(500, 2), 20)
    base = plan_epoch(one, stream(0, 2, 0, 0), 10**7)
    np.testing.assert_array_equal(base.rows, plan_epoch(one, stream(0, 2, 0, 0), 10**7).rows)
    for other in (plan_epoch(one, stream(0, 2, 0, 1), 10**7), plan_epoch(one, stream(0, 2, 0, 0), 2 * 10**7)):
        assert (other.rows == base.rows).mean() < 0.05


def test_every_pass_has_the_same_mix_of_repeated_videos() -> None:
    copies = np.where(np.arange(12_000) % 2, 3, 1)
    plan = plan_epoch(layout(copies, 60), stream(0, 2, 0, 0), 10**8)
    assert len(plan.sizes) > 60
    shares = [np.mean(copies[part] == 3) for part in np.array_split(plan.rows, 12)]
    np.testing.assert_allclose(shares, 0.75, atol=0.04)


def test_few_videos_with_many_copies_make_no_further_passes() -> None:
    copies = np.ones(5000, np.int64)
    copies[::1000] = 30
    one = layout(copies, 40)
    plan = plan_epoch(one, stream(0, 2, 0, 0), 3 * 10**7)
    assert len(plan.sizes) >= 30
    assert plan.sizes.sum() < 1.2 * one.shard_sizes.sum()
    spread = np.diff(np.flatnonzero(plan.rows == 1000)) / len(plan.rows)
    assert spread.max() < 0.15


def test_windows_are_shuffled_and_shards_meet_others_in_the_next_pass() -> None:
    plan = plan_epoch(layout(np.full(4000, 2), 40), stream(3, 2, 0, 0), 10**8)
    windows = windows_of(plan)
    first, second = (np.split(plan.rows, plan.bounds[1:-1])[i] for i in (0, len(plan.sizes) // 2))
    assert abs(np.corrcoef(first, np.arange(len(first)))[0, 1]) < 0.1
    assert len(np.intersect1d(first, second)) < 0.6 * len(first)
    assert windows.max() > 10


def test_next_use() -> None:
    one = layout(np.full(300, 2), 10)
    plan = plan_epoch(one, stream(0, 2, 0, 0), 10**7)
    shard_of = np.empty(300, np.int64)
    shard_of[one.rows] = one.shards
    read = [set(shard_of[part]) for part in np.split(plan.rows, plan.bounds[1:-1])]
    for number in range(len(read)):
        expected = [
            next((later for later in range(number, len(read)) if shard in read[later]), NEVER) for shard in range(10)
        ]
        assert plan.next_use(np.arange(10), number).tolist() == expected


@pytest.mark.parametrize(("most", "share"), [(3, 0.5), (2, 0.9)])
def test_repeated_videos_that_are_many_have_passes_of_their_own(most: int, share: float) -> None:
    copies = np.where(np.random.default_rng(0).random(3000) < share, most, 1)
    one = layout(copies, 30)
    plan = plan_epoch(one, stream(0, 2, 0, 0), 10**8)
    reads = np.bincount(plan.uses // len(plan.sizes), minlength=30)
    assert (reads == most).all()
