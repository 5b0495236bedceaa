"""The rule by which a challenger wins."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from yt8m.errors import InputError
from yt8m.evaluation.comparison import GapDifference
from yt8m.evaluation.influence import NORMAL_95
from yt8m.promotion.contest import PROMISE, Thresholds, judge, level, needed_gain

BETTER = GapDifference(0.002, 0.001, 0.003, "better")
WORSE = GapDifference(-0.002, -0.003, -0.001, "worse")
UNSURE = GapDifference(0.0001, -0.001, 0.0012, "cannot tell")
UNIT = GapDifference(0.0, -NORMAL_95, NORMAL_95, "cannot tell")  # a standard error of 1


@pytest.mark.parametrize(
    ("gap", "gain", "thresholds", "wins", "says"),
    [
        (0.81, None, Thresholds(0.8), True, "first champion, and its GAP 0.81000 is above the floor 0.8"),
        (0.80, None, Thresholds(0.8), False, "GAP 0.80000 is not above the floor 0.8"),
        (0.79, BETTER, Thresholds(0.8), False, "not above the floor"),
        (0.79, BETTER, Thresholds(0.8, 0.0), False, "not above the floor"),
        (0.81, BETTER, Thresholds(0.8), True, r"better than the champion: \+0.00200 \(95 % interval \+0.00100 to \+0"),
        (0.81, BETTER, Thresholds(0.8, 0.1), True, "better than the champion"),
        (0.81, UNSURE, Thresholds(0.8), False, r"cannot be told from the champion: \+0.00010"),
        (0.81, UNSURE, Thresholds(0.8, 0.001), False, "less than the gain of 0.001 that is enough"),
        (0.81, UNSURE, Thresholds(0.8, 0.0001), True, "its gain over the champion is at least 0.0001"),
        (0.81, WORSE, Thresholds(0.8), False, "worse than the champion: -0.00200"),
        (0.81, WORSE, Thresholds(0.8, 0.0), False, "worse than the champion"),
    ],
)
def test_the_rule_and_its_reason(gap, gain, thresholds, wins, says) -> None:
    verdict = judge(gap, gain, thresholds)
    assert verdict.wins is wins
    assert re.search(says, verdict.reason), verdict.reason


@pytest.mark.parametrize("wrong", [{"floor": -0.1}, {"floor": 1.0}, {"floor": float("nan")}, {"min_gain": -0.1},
                                   {"min_gain": float("nan")}, {"min_gain": 2.0}])  # fmt: skip
def test_thresholds_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"--floor|--min-gain"):
        Thresholds(**wrong)


def test_no_gain_is_none_at_all() -> None:
    assert Thresholds(0.5, 0.0) == Thresholds(0.5)


def test_the_levels_of_all_contests_add_up_to_less_than_the_promise() -> None:
    levels = np.array([level(number) for number in range(1, 20_000)])
    assert (np.diff(levels) < 0).all()
    assert PROMISE * 0.99 < levels.sum() < PROMISE


def test_each_further_contest_asks_for_more() -> None:
    assert [round(needed_gain(UNIT, number), 2) for number in (1, 30, 365)] == [2.44, 3.79, 4.63]
    assert judge(0.8, BETTER, Thresholds(), 30).wins
    late = judge(0.8, BETTER, Thresholds(), 365)
    assert not late.wins
    assert late.reason.endswith("; in contest 365 of this registry a gain is beyond chance above +0.00236")
    assert judge(0.8, BETTER, Thresholds(min_gain=0.002), 365).wins


def nights(needed: Callable[[int], float], runs: int, count: int) -> tuple[float, float]:
    """The share of registries where any of equal challengers won, and how much the last champion's score flatters it.

    A score is the truth, alike for all, and the luck of a model on the videos, with a standard error of 1; that of a
    difference is then the root of 2.
    """
    random = np.random.default_rng(1)
    champion, won = random.standard_normal(runs), np.zeros(runs, bool)
    for number in range(1, count + 1):
        challenger = random.standard_normal(runs)
        wins = challenger - champion > needed(number) * 2**0.5
        champion, won = np.where(wins, challenger, champion), won | wins
    return float(won.mean()), float(champion.mean())


def test_over_a_year_of_nights_equal_challengers_win_no_more_often_than_promised() -> None:
    single = [nights(lambda _: NORMAL_95, 4_000, count)[0] for count in (1, 30, 365)]
    assert single == pytest.approx([0.025, 0.257, 0.559], abs=0.02)  # what one interval a night would do
    share, flattery = nights(lambda number: needed_gain(UNIT, number), 4_000, 365)
    assert share <= PROMISE
    assert flattery < 0.15
