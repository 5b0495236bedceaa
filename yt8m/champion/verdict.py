"""Whether a challenger becomes the champion: the rule, and the sentence that says why."""

from dataclasses import dataclass
from typing import Any

from yt8m.comparison import GapDifference
from yt8m.errors import InputError

FLOOR = 0.5


@dataclass(frozen=True)
class Thresholds:
    """What a challenger must reach.

    Attributes:
        floor: the GAP that it must exceed, whoever the champion is.
        min_gain: a gain in GAP over the champion that is enough by itself; None: the gain must be beyond chance.
    """

    floor: float = FLOOR
    min_gain: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.floor < 1:
            raise InputError(f"--floor {self.floor:g}: a GAP from 0 to below 1 is needed")
        if self.min_gain is not None and not 0 <= self.min_gain <= 1:
            raise InputError(f"--min-gain {self.min_gain:g}: a gain in GAP from 0 to 1 is needed")


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger wins, and why, in a sentence."""

    wins: bool
    reason: str


def judge(gap: float, gain: GapDifference | None, thresholds: Thresholds) -> Verdict:
    """The rule: above the floor and, where there is a champion, better beyond chance or by `min_gain` or more.

    Args:
        gap: GAP@20 of the challenger.
        gain: its GAP minus the champion's over the same videos; None when there is no champion.
        thresholds: what it must reach.
    """
    if not gap > thresholds.floor:
        return Verdict(False, f"its GAP {gap:.5f} is not above the floor {thresholds.floor:g}")
    above = f"its GAP {gap:.5f} is above the floor {thresholds.floor:g}"
    if gain is None:
        return Verdict(True, f"it is the first champion, and {above}")
    by = f"{gain.difference:+.5f} (95 % interval {gain.low:+.5f} to {gain.high:+.5f})"
    if gain.verdict == "better":
        return Verdict(True, f"{above}, and it is better than the champion: {by}")
    if thresholds.min_gain is not None and gain.difference >= thresholds.min_gain:
        return Verdict(True, f"{above}, and its gain over the champion is at least {thresholds.min_gain:g}: {by}")
    if gain.verdict == "worse":
        return Verdict(False, f"it is worse than the champion: {by}")
    return Verdict(False, f"it cannot be told from the champion: {by}{_short_of(thresholds)}")


def _short_of(thresholds: Thresholds) -> str:
    return "" if thresholds.min_gain is None else f", less than the gain of {thresholds.min_gain:g} that is enough"


def as_json(gain: GapDifference | None) -> dict[str, Any] | None:
    """A comparison as JSON values."""
    if gain is None:
        return None
    return {"difference": gain.difference, "low": gain.low, "high": gain.high, "verdict": gain.verdict}
