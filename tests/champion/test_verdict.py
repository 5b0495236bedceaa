"""The rule by which a challenger wins."""

import re

import pytest

from yt8m.champion.verdict import Thresholds, judge
from yt8m.comparison import GapDifference
from yt8m.errors import InputError

BETTER = GapDifference(0.002, 0.001, 0.003, "better")
WORSE = GapDifference(-0.002, -0.003, -0.001, "worse")
UNSURE = GapDifference(0.0001, -0.001, 0.0012, "cannot tell")


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
