import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.loader import plan
from yt8m.loader.plan import Extents, coalesce, to_fetch
from yt8m.loader.scratch import Piece


@st.composite
def records(draw: st.DrawFn) -> Extents:
    """Records in ascending order, some of which may be the same one twice."""
    parts = draw(st.lists(st.tuples(st.integers(0, 600_000), st.integers(1, 400_000)), max_size=30))
    starts, ends, position = [], [], 0
    for gap, length in parts:
        position += gap
        starts.append(position)
        position += length
        ends.append(position)
    again = draw(st.lists(st.integers(0, max(len(parts) - 1, 0)), max_size=3)) if parts else []
    order = sorted([*range(len(parts)), *again])
    return Extents(np.array(starts, np.int64)[order], np.array(ends, np.int64)[order])


@given(records())
def test_coalesced_stretches_hold_all_records_and_close_small_gaps_alone(some: Extents) -> None:
    merged = coalesce(some)
    assert (merged.starts[1:] - merged.ends[:-1] >= plan.GAP_BYTES).all()
    assert Piece(0, "", merged, is_whole=False).covers(some).all()
    assert set(merged.starts) <= set(some.starts)
    assert set(merged.ends) <= set(some.ends)


@given(records(), st.integers(0, 10**7))
def test_all_of_a_shard_is_fetched_unless_the_records_are_under_half(some: Extents, more: int) -> None:
    size = int(some.ends.max(initial=0)) + more
    fetch = to_fetch(some, size)
    if len(some.starts) and 2 * some.size >= size:
        assert (fetch.starts.tolist(), fetch.ends.tolist()) == ([0], [size])
    else:
        np.testing.assert_array_equal(fetch, coalesce(some))


def test_a_piece_tells_where_bytes_stand_in_its_file() -> None:
    piece = Piece(0, "", Extents(np.array([100, 1000]), np.array([300, 1400])), is_whole=False)
    assert piece.size == 600
    places = [(100, 200), (250, 50), (1000, 400), (1399, 1)]
    assert [piece.position(*place) for place in places] == [0, 150, 200, 599]


@pytest.mark.parametrize("place", [(99, 1), (250, 51), (999, 2), (1400, 1), (0, 1)])
def test_a_piece_does_not_tell_of_bytes_it_has_not(place: tuple[int, int]) -> None:
    piece = Piece(0, "", Extents(np.array([100, 1000]), np.array([300, 1400])), is_whole=False)
    assert piece.position(*place) is None
