"""Measures of imbalance against their definitions."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.data.rebalance.build import balance, gini, head_tail_ratio
from yt8m.data.rebalance.facts import Facts
from yt8m.data.records.video_index import VideoIndex


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30).filter(any))
def test_gini_is_half_the_relative_mean_difference(values: list[int]) -> None:
    x = np.array(values, dtype=np.float64)
    by_definition = np.abs(x[:, None] - x).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(by_definition, abs=1e-12)


def test_gini_of_equal_counts_of_one_owner_and_of_nothing() -> None:
    assert gini(np.full(7, 3)) == pytest.approx(0)
    assert gini(np.array([0] * 99 + [5])) == pytest.approx(0.99)
    assert gini(np.zeros(4)) == 0
    assert gini(np.zeros(0)) == 0


def test_head_and_tail_are_tenths_of_the_labels_that_occur() -> None:
    counts = np.array([0, 100, 80] + [10] * 15 + [2, 1])
    assert head_tail_ratio(counts, counts) == pytest.approx((100 + 80) / (2 + 1))
    assert head_tail_ratio(counts * 3, counts) == pytest.approx(60)
    assert head_tail_ratio(np.where(counts < 5, 0, counts), counts) is None
    assert head_tail_ratio(np.zeros(3), np.zeros(3)) is None


def test_the_numbers_of_an_epoch(make_index: Callable[[list[list[int]]], VideoIndex]) -> None:
    facts = Facts(make_index([[0, 978], [977], [0, 1, 2], []]))
    numbers = balance(facts, np.array([3, 0, 2, 1], np.int32), batch_size=4)
    assert numbers["videos"] == 3
    assert numbers["share_of_videos"] == 3 / 4
    assert numbers["examples"] == 6
    assert numbers["examples_per_video"] == 6 / 4
    assert numbers["label_occurrences"] == 12
    assert numbers["share_of_rare_labels"] == pytest.approx(3 / 12)
    assert numbers["steps_an_epoch"] == 2
    assert numbers["gini"] == pytest.approx(gini(np.array([5, 2, 2, 0, 3])))
