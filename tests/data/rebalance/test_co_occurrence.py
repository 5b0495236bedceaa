"""Pairs of labels against counting by hand."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yt8m.data.rebalance.facts import Facts, count_pairs, matrix, most_frequent, strongest
from yt8m.data.records.video_index import VideoIndex

label_lists = st.lists(st.lists(st.integers(0, 9), max_size=5, unique=True), min_size=1, max_size=25)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(label_lists)
def test_pairs_and_matrix(make_index: Callable[[list[list[int]]], VideoIndex], lists: list[list[int]]) -> None:
    facts = Facts(make_index(lists))
    pairs = count_pairs(facts)
    expected = Counter(pair for row in lists for pair in combinations(sorted(row), 2))
    found = dict(zip(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True), pairs.videos.tolist(), strict=True))
    assert found == dict(expected)
    labels = Counter(label for row in lists for label in row)
    for a, b, lift in zip(pairs.first.tolist(), pairs.second.tolist(), pairs.lift, strict=True):
        assert lift == pytest.approx(expected[a, b] * len(lists) / (labels[a] * labels[b]))
    chosen = np.array(sorted(labels)[:4], dtype=np.int64)
    table = matrix(pairs, facts, chosen)
    for i, a in enumerate(chosen.tolist()):
        for j, b in enumerate(chosen.tolist()):
            assert table[i, j] == sum(a in row and b in row for row in lists)


def test_order_of_the_listed_pairs(make_index: Callable[[list[list[int]]], VideoIndex]) -> None:
    pairs = count_pairs(Facts(make_index([[0, 1], [0, 1], [0, 1], [0, 2], [0], [0], [3, 4], [3, 4]])))
    top = most_frequent(pairs, 2)
    assert list(zip(top.first, top.second, top.videos, strict=True)) == [(0, 1, 3), (3, 4, 2)]
    best = strongest(pairs, 1, least_videos=2)
    assert (best.first[0], best.second[0]) == (3, 4)
    assert best.lift[0] == pytest.approx(4)
