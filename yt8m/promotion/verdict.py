"""Whether a challenger becomes the champion: the rule, and the sentence that says why.

A registry is challenged night after night on the same videos, and each contest is another chance for one that is no
better to win by luck. So the contests of a registry share one promise: over its whole life, the chance that a
challenger that is no better than the champion ever takes its place is at most `PROMISE`, which is what a single 95 %
interval leaves on that side. The k-th contest is held at the level

    level(k) = PROMISE (1 / sqrt(k) - 1 / sqrt(k + 1)),

and as these add up to `PROMISE (1 - 1 / sqrt(k + 1))` after k contests, by the union bound the chance of even one wrong
promotion stays below `PROMISE` however many there are, and however they depend on each other.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from yt8m.errors import InputError
from yt8m.evaluation.comparison import GapDifference
from yt8m.evaluation.influence import NORMAL_95

FLOOR = 0.5
PROMISE = 0.025


@dataclass(frozen=True)
class Thresholds:
    """What a challenger must reach.

    Attributes:
        floor: the GAP that it must exceed, whoever the champion is.
        min_gain: a gain in GAP over the champion that is enough even if it may be chance, outside the promise; None,
            or 0, which becomes None: the gain must be beyond chance.
    """

    floor: float = FLOOR
    min_gain: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.floor < 1:
            raise InputError(f"--floor {self.floor:g}: a GAP from 0 to below 1 is needed")
        if self.min_gain is not None and not 0 <= self.min_gain <= 1:
            raise InputError(f"--min-gain {self.min_gain:g}: a gain in GAP from 0 to 1 is needed (0: none is enough by "
                             "itself)")  # fmt: skip
        object.__setattr__(self, "min_gain", self.min_gain or None)


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger wins, and why, in a sentence."""

    wins: bool
    reason: str


def level(number: int) -> float:
    """The chance that the contest of a number, from 1, leaves to a challenger that is no better."""
    return PROMISE * (1 / math.sqrt(number) - 1 / math.sqrt(number + 1))


def needed_gain(gain: GapDifference, number: int) -> float:
    """The gain in GAP that is beyond chance in the contest of a number: a quantile times the standard error."""
    return -NormalDist().inv_cdf(level(number)) * (gain.difference - gain.low) / NORMAL_95


def judge(gap: float, gain: GapDifference | None, thresholds: Thresholds, number: int = 1) -> Verdict:
    """The rule: above the floor and, where there is a champion, better beyond chance or by `min_gain` or more.

    Args:
        gap: GAP@20 of the challenger.
        gain: its GAP minus the champion's over the same videos; None when there is no champion.
        thresholds: what it must reach.
        number: of this contest among all of the registry, from 1.
    """
    if not gap > thresholds.floor:
        return Verdict(False, f"its GAP {gap:.5f} is not above the floor {thresholds.floor:g}")
    above = f"its GAP {gap:.5f} is above the floor {thresholds.floor:g}"
    if gain is None:
        return Verdict(True, f"it is the first champion, and {above}")
    by = f"{gain.difference:+.5f} (95 % interval {gain.low:+.5f} to {gain.high:+.5f})"
    needed = needed_gain(gain, number)
    if gain.difference > needed:
        return Verdict(True, f"{above}, and it is better than the champion: {by}")
    if thresholds.min_gain is not None and gain.difference >= thresholds.min_gain:
        return Verdict(True, f"{above}, and its gain over the champion is at least {thresholds.min_gain:g}: {by}")
    if gain.verdict == "worse":
        return Verdict(False, f"it is worse than the champion: {by}")
    of_many = f"; in contest {number} of this registry a gain is beyond chance above {needed:+.5f}"
    short = of_many if gain.verdict == "better" else ""
    return Verdict(False, f"it cannot be told from the champion: {by}{short}{_short_of(thresholds)}")


def _short_of(thresholds: Thresholds) -> str:
    return "" if thresholds.min_gain is None else f", less than the gain of {thresholds.min_gain:g} that is enough"


def as_json(gain: GapDifference | None) -> dict[str, Any] | None:
    """A comparison as JSON values."""
    if gain is None:
        return None
    return {"difference": gain.difference, "low": gain.low, "high": gain.high, "verdict": gain.verdict}
