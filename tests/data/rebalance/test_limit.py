"""Fractions and caps: their sizes, their nesting, and what a cap for each label guarantees."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.limit import parse_limit
from yt8m.data.rebalance.node import Node
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError

MakeIndex = Callable[[list[list[int]]], VideoIndex]
label_lists = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True), min_size=1, max_size=40)
with_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def keep(index: VideoIndex, value: Any, *, seed: int = 0, chosen: np.ndarray | None = None) -> np.ndarray:
    chosen = np.ones(len(index), bool) if chosen is None else chosen
    return parse_limit(Node(value, "my.yaml", "limit"))(Facts(index, seed), chosen, "limit 0")


def test_a_fraction_is_exact_nested_and_of_the_selected_videos(make_index: MakeIndex) -> None:
    index = make_index([[1]] * 1000)
    chosen = np.arange(1000) % 2 == 0
    half, tenth = (keep(index, {"fraction": fraction}, chosen=chosen) for fraction in (0.5, 0.1))
    assert (half.sum(), tenth.sum()) == (250, 50)
    assert not (half & ~chosen).any()
    assert not (tenth & ~half).any()
    assert keep(index, {"videos": 50}, chosen=chosen).tolist() == tenth.tolist()
    assert keep(index, {"videos": 5000}).all()


def test_the_seed_of_the_recipe_stands_above_that_of_the_run(make_index: MakeIndex) -> None:
    index = make_index([[1]] * 1000)
    one, two = (keep(index, {"fraction": 0.5}, seed=seed) for seed in (1, 2))
    assert (one != two).any()
    assert keep(index, {"fraction": 0.5, "seed": 2}, seed=1).tolist() == two.tolist()


@with_fixture
@given(label_lists, st.integers(1, 6))
def test_a_cap_leaves_every_label_its_videos(make_index: MakeIndex, lists: list[list[int]], cap: int) -> None:
    kept = keep(make_index(lists), {"per_label": cap})
    before = Counter(label for row in lists for label in row)
    after = Counter(label for row, stays in zip(lists, kept, strict=True) for label in row if stays)
    for label, count in before.items():
        assert after[label] >= min(cap, count)
    for row, stays in zip(lists, kept, strict=True):
        if not stays:
            assert all(before[label] > cap for label in row)


@with_fixture
@given(label_lists, st.integers(1, 6))
def test_a_strict_cap_is_never_exceeded(make_index: MakeIndex, lists: list[list[int]], cap: int) -> None:
    kept = keep(make_index(lists), {"per_label": cap, "strict": True})
    after = Counter(label for row, stays in zip(lists, kept, strict=True) for label in row if stays)
    assert max(after.values(), default=0) <= cap
    if cap >= len(lists):
        assert kept.all()


def test_a_cap_counts_selected_videos_only(make_index: MakeIndex) -> None:
    index = make_index([[1]] * 100)
    chosen = np.arange(100) < 40
    kept = keep(index, {"per_label": 10}, chosen=chosen)
    assert kept.sum() == 10
    assert not (kept & ~chosen).any()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"fraction": 0}, "limit.fraction is 0; give a number above 0 and at most 1"),
        ({"fraction": 1.5}, "limit.fraction is 1.5"),
        ({"videos": 2.5}, "limit.videos is 2.5; give a whole number from 1"),
        ({"seed": 3}, "give exactly one of fraction, videos, per_label"),
        ({"fraction": 0.5, "videos": 3}, "give exactly one of fraction, videos, per_label"),
        ({"videos": 3, "strict": True}, "strict belongs to per_label"),
        ({"per_label": 3, "strict": "yes"}, "limit.strict is 'yes'; give true or false"),
        ({"share": 0.5}, "unknown key 'share' in limit; the keys are fraction, videos, per_label, strict, seed"),
        (0.5, "limit is 0.5; give a mapping"),
    ],
)
def test_a_wrong_limit_is_named(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_limit(Node(value, "my.yaml", "limit"))
