import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from yt8m.ragged import ragged_positions


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 9)), max_size=20))
def test_the_spans_follow_each_other(spans: list[tuple[int, int]]) -> None:
    starts, sizes = np.array(spans, np.int64).reshape(-1, 2).T
    expected = [start + step for start, size in spans for step in range(size)]
    assert ragged_positions(starts, sizes).tolist() == expected
