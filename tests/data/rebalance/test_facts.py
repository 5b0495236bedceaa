"""Reductions over the labels of a video against plain Python; draws that depend on the id alone."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yt8m.data.rebalance.facts import Facts, hashed_draws, ids_among
from yt8m.data.records.video_index import VideoIndex

MakeIndex = Callable[[list[list[int]]], VideoIndex]
label_lists = st.lists(st.lists(st.integers(0, 30), max_size=5, unique=True), min_size=1, max_size=15)
with_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@with_fixture
@given(label_lists)
def test_reductions_are_those_of_plain_python(make_index: MakeIndex, lists: list[list[int]]) -> None:
    facts = Facts(make_index(lists))
    marked = np.array([label % 3 == 0 for row in lists for label in row], dtype=bool)
    assert facts.count_per_video(marked).tolist() == [sum(label % 3 == 0 for label in row) for row in lists]
    values = np.array([label for row in lists for label in row], dtype=np.float64)
    assert facts.max_per_video(values, empty=-1).tolist() == [max(row, default=-1) for row in lists]
    for label, count in enumerate(facts.label_counts):
        assert count == sum(label in row for row in lists)


def test_a_draw_depends_on_the_id_the_seed_and_the_purpose_alone(make_index: MakeIndex) -> None:
    index = make_index([[1]] * 500)
    draws = Facts(index, seed=3).draws("limit 0")
    order = np.random.default_rng(0).permutation(500)[:200]
    np.testing.assert_array_equal(Facts(index.take(order), seed=3).draws("limit 0"), draws[order])
    for other in (Facts(index, seed=4).draws("limit 0"), Facts(index, seed=3).draws("repeat 0")):
        assert not np.any(other == draws)
    np.testing.assert_array_equal(Facts(index, seed=4).draws("limit 0", seed=3), draws)


def test_the_width_of_the_id_column_does_not_matter() -> None:
    ids = np.array([b"abcd", b"a", b"abcdefgh", b"abcdefghi", b"abcdefghijk"])
    for width in (11, 16, 24):
        np.testing.assert_array_equal(hashed_draws(ids.astype(f"S{width}"), "s"), hashed_draws(ids, "s"))
    for row in range(len(ids)):
        assert hashed_draws(ids[row : row + 1].astype(f"S{len(ids[row])}"), "s")[0] == hashed_draws(ids, "s")[row]
    assert len(set(hashed_draws(ids, "s"))) == len(ids)


def test_draws_are_uniform_and_independent_between_neighbouring_ids(real_index: VideoIndex) -> None:
    draws = Facts(real_index).draws("x")
    share = np.histogram(draws, bins=100, range=(0, 1))[0] / len(draws)
    assert np.abs(share - 0.01).max() < 0.0006  # six standard deviations of a bin
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.006
    assert draws.min() >= 0
    assert draws.max() < 1


def test_ids_among_others() -> None:
    ids = np.array([b"aaaa", b"b", b"cccc"])
    assert ids_among(ids, pa.array(["cccc", "b", "zz"])).tolist() == [False, True, True]
    assert ids_among(ids, pa.array([], pa.string())).tolist() == [False] * 3
