"""Repeats: plain ones, cases, occurrences, and factors by label frequency against their formulas."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.node import Node
from yt8m.data.rebalance.repeat import parse_repeat
from yt8m.data.rebalance.selection import parse_selection
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError

MakeIndex = Callable[[list[list[int]]], VideoIndex]
LISTS = [[0, 978, 1200], [0], [5, 977], [], [1, 2, 3, 4], [1200]]


def repeats_of(index: VideoIndex, value: Any, select: Any = "all", seed: int = 0) -> np.ndarray:
    selection = parse_selection(Node(select, "my.yaml", "select"))
    facts = Facts(index, seed)
    return parse_repeat(Node(value, "my.yaml", "repeat"), selection)(facts, selection.videos(facts), "repeat 0")


@pytest.mark.parametrize(
    ("value", "select", "expected"),
    [
        (3, "all", [3] * 6),
        (2, {"label_index": 0}, [2, 2, 0, 0, 0, 0]),
        ("occurrences", {"label_index": {"above": 977}}, [2, 0, 0, 0, 0, 1]),
        ("occurrences", {"any": [{"label_index": 0}, {"label_index": 1200}]}, [2, 1, 0, 0, 0, 1]),
        ("occurrences", {"all": [{"label_index": {"above": 977}}, {"num_labels": {"above": 1}}]}, [2, 0, 0, 0, 0, 0]),
        ([{"when": {"num_labels": 1}, "times": 3}, {"otherwise": 1}], "all", [1, 3, 1, 1, 1, 3]),
        (
            [{"when": {"label_index": 1200}, "times": 5}, {"when": {"num_labels": 1}, "times": 2}, {"otherwise": 0}],
            "all",
            [5, 2, 0, 0, 0, 5],
        ),
    ],
)
def test_repeats(make_index: MakeIndex, value: Any, select: Any, expected: list[int]) -> None:
    found = repeats_of(make_index(LISTS), value, select)
    assert found.tolist() == expected
    assert found.dtype == np.int32


def long_tail(make_index: MakeIndex) -> tuple[VideoIndex, list[list[int]]]:
    """4,000 videos: label 0 on every other, labels 1 to 3 on 400, 40 and 4, the rest without a label."""
    lists: list[list[int]] = [[] for _ in range(4000)]
    for label, step in ((0, 2), (1, 10), (2, 100), (3, 1000)):
        for row in range(0, 4000, step):
            lists[row].append(label)
    return make_index(lists), lists


def test_repeat_factor_is_that_of_lvis(make_index: MakeIndex) -> None:
    index, lists = long_tail(make_index)
    counts = [sum(label in row for row in lists) for label in range(4)]
    expected = np.array(
        [max([max(1.0, math.sqrt(0.05 / (counts[label] / 4000))) for label in row], default=1.0) for row in lists]
    )
    seeds = [repeats_of(index, {"repeat_factor": {"threshold": 0.05}}, seed=seed) for seed in range(200)]
    for found in seeds:
        assert np.all((found == np.floor(expected)) | (found == np.ceil(expected)))
    np.testing.assert_allclose(np.mean(seeds, axis=0), expected, atol=0.2)
    assert repeats_of(index, {"repeat_factor": {"threshold": 0.05, "max": 2}}).max() == 2


def test_effective_number_is_that_of_cui_and_keeps_the_size(make_index: MakeIndex) -> None:
    index, lists = long_tail(make_index)
    counts = [sum(label in row for row in lists) for label in range(4)]
    weights = [(1 - 0.99) / (1 - 0.99**count) for count in counts]
    by_video = np.array([max([weights[label] for label in row], default=min(weights)) for row in lists])
    expected = by_video / by_video.mean()
    seeds = [repeats_of(index, {"effective_number": {"beta": 0.99}}, seed=seed) for seed in range(200)]
    np.testing.assert_allclose(np.mean(seeds, axis=0), expected, atol=0.2)
    np.testing.assert_allclose(np.mean([found.sum() for found in seeds]), 4000, rtol=0.01)
    held = repeats_of(index, {"effective_number": {"beta": 0.99, "mean": 2, "min": 1, "max": 3}})
    assert (held.min(), held.max()) == (1, 3)
    assert (repeats_of(index, {"effective_number": {"beta": 0}}) == 1).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("twice", "repeat is 'twice'; give a number, `occurrences`, a list of cases, or a mapping"),
        (0, "repeat is 0; give a number above 0"),
        (True, "repeat is True; give a number"),
        ("occurrences", "occurrences needs a selection by label_index, label_frequency or label_share"),
        ([{"otherwise": 1}, {"when": "all", "times": 2}], "each case is .* the last is {otherwise: NUMBER}"),
        ([{"when": "all"}, {"otherwise": 1}], "each case is"),
        ([{"when": "rare", "times": 2}, {"otherwise": 1}], r"repeat\[0\].when is 'rare'"),
        ({"repeat_factor": {}}, "repeat.repeat_factor is {}; the key threshold is missing"),
        (
            {"effective_number": {"beta": 1}},
            "repeat.effective_number.beta is 1; give a number of at least 0 and below 1",
        ),
        ({"effective_number": {"beta": 0.9, "min": 3, "max": 2}}, "min must not exceed max"),
        ({"lvis": 3}, "unknown key 'lvis' in repeat; the keys are repeat_factor, effective_number"),
    ],
)
def test_a_wrong_repeat_is_named(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_repeat(Node(value, "my.yaml", "repeat"), parse_selection(Node("all", "my.yaml", "select")))
