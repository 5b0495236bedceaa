"""A challenger and the champion judged over the same videos: the promotion half of the validation set.

The rule by which a challenger becomes the champion, and the sentence that says why, are here, too. A registry is
challenged night after night on the same videos, and each contest is another chance for one that is no better to win by
luck. So the contests of a registry share one promise: over its whole life, the chance that a challenger that is no
better than the champion ever takes its place is at most `PROMISE`, which is what a single 95 % interval leaves on that
side. The k-th contest is held at the level

    level(k) = PROMISE (1 / sqrt(k) - 1 / sqrt(k + 1)),

and as these add up to `PROMISE (1 - 1 / sqrt(k + 1))` after k contests, by the union bound the chance of even one wrong
promotion stays below `PROMISE` however many there are, and however they depend on each other.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint, fingerprint_bytes
from yt8m.errors import InputError
from yt8m.evaluation.comparison import GapDifference, compare_gap
from yt8m.evaluation.holdout_split import half_of
from yt8m.evaluation.influence import (
    NORMAL_95,
    Interval,
    gap_influences,
    normal_interval,
    perr_influences,
    share_interval,
)
from yt8m.evaluation.scored_predictions import measured
from yt8m.prediction.table import Predictions, made_by, read_predictions, taken
from yt8m.registry.champions import Change, contest_key
from yt8m.registry.manifest import LocatedModel
from yt8m.storage import StrPath


@dataclass(frozen=True)
class Scores:
    """Metrics of some videos, with 95 % intervals over videos.

    Attributes:
        metrics: `gap`, `hit_at_1`, `perr`, `map` at the top 20, `videos`, `positives`.
        intervals: of `gap`, `hit_at_1` and `perr`.
        precisions: float64 [V], average precision of each label; NaN where no video has it.
        positives: int64 [V], videos with each label.
        found: int64 [V], of these the ones with the label among their top 20.
    """

    metrics: dict[str, Any]
    intervals: dict[str, Interval]
    precisions: np.ndarray
    positives: np.ndarray
    found: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """Metrics, and intervals as `[low, high]`."""
        return {**self.metrics, "intervals": {name: [i.low, i.high] for name, i in self.intervals.items()}}


def measure(table: Predictions, path: StrPath) -> Scores:
    """The scores of a table; errors name the file `path`.

    Raises:
        InputError: too few places, or a wrong confidence, rank or label.
    """
    metrics = measured(table, path)
    result = metrics.result()
    intervals = {
        "gap": normal_interval(result["gap"], gap_influences(table)),
        "hit_at_1": share_interval(result["hit_at_1"], len(table)),
        "perr": normal_interval(result["perr"], perr_influences(table)),
    }
    return Scores(
        metrics=result,
        intervals=intervals,
        precisions=metrics.average_precisions(),
        positives=metrics.class_positives,
        found=np.bincount(table.labels[table.label_ranks <= metrics.k], minlength=metrics.num_classes),
    )


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


@dataclass(frozen=True)
class Contest:
    """What was found out about a challenger.

    Attributes:
        model: the challenger.
        champion: the change that was in force; None before the first.
        thresholds: what the challenger had to reach.
        scores, against: of the challenger and of the champion.
        gain: GAP of the challenger minus that of the champion.
        verdict: who wins, and why.
        index: fingerprint of the videos that the challenger predicted.
        videos: fingerprint of those that decide.
        number: of the contest among all of the registry; None without a champion.
        simulated: whether frames were, of training or of judging.
    """

    model: LocatedModel
    champion: Change | None
    thresholds: Thresholds
    scores: Scores
    against: Scores | None
    gain: GapDifference | None
    verdict: Verdict
    index: str
    videos: str
    number: int | None
    simulated: bool

    @property
    def identity(self) -> str:
        """Fingerprint of what was decided: the same contest on the same terms has the same one."""
        against = self.champion.fingerprint if self.champion else None
        terms = asdict(self.thresholds)
        return fingerprint([self.model.fingerprint, against, self.index, self.scores.as_json(), terms])

    def as_json(self) -> dict[str, Any]:
        """Reason, thresholds, what was measured on, and all scores."""
        champion = None
        if self.champion and self.against:
            champion = {**self.champion.brief(), "scores": self.against.as_json()}
        return {
            "reason": self.verdict.reason,
            "thresholds": asdict(self.thresholds),
            "half": "promotion",
            "index": self.index,
            "videos": self.videos,
            "contest": self.number,
            "simulated": self.simulated,
            "scores": self.scores.as_json(),
            "champion": champion,
            "gain": as_json(self.gain),
            "needed_gain": needed_gain(self.gain, self.number) if self.gain and self.number else None,
        }


def hold_contest(
    model: LocatedModel,
    current: Change | None,
    challenger: StrPath,
    champion: StrPath | None,
    thresholds: Thresholds,
    held: Mapping[tuple[str, str, str], int],
) -> Contest:
    """Measure the challenger, and the champion if there is one, and judge.

    Args:
        model: the challenger.
        current: the champion; None before the first.
        challenger, champion: predictions files by these two, of the validation videos or of their promotion half.
        thresholds: what the challenger must reach.
        held: the numbers of the contests before, see `yt8m.registry.champions.Registry.contests`; one of these that is
            held again keeps its number.

    Raises:
        InputError: a missing or wrong predictions file, or one of another model or of other videos.
    """
    table = _predictions_by(model.fingerprint, "the challenger", challenger)
    scores, against, gain, number, videos = measure(table, challenger), None, None, None, _videos(table)
    if current is not None:
        if champion is None:
            raise InputError(f"predictions of the champion {current.name} ({current.fingerprint}) are needed; predict "
                             "the same videos with it")  # fmt: skip
        other = _predictions_by(current.fingerprint, "the champion", champion)
        against, gain = measure(other, champion), _gain(champion, other, challenger, table)
        key = contest_key(model.fingerprint, current.fingerprint, {"videos": videos})
        number = held.get(key) or max([len(held), *held.values()]) + 1
    simulated = bool(table.metadata["simulated"]) or bool(model.manifest.get("simulated"))
    verdict = judge(scores.metrics["gap"], gain, thresholds, number or 1)
    return Contest(
        model=model,
        champion=current,
        thresholds=thresholds,
        scores=scores,
        against=against,
        gain=gain,
        verdict=verdict,
        index=str(table.metadata["index"]),
        videos=videos,
        number=number,
        simulated=simulated,
    )


def _videos(table: Predictions) -> str:
    """Fingerprint of the ids and true labels of videos, in whatever order, whichever index they were taken from."""
    order = np.argsort(table.video_ids, kind="stable")
    ordered = taken(table, order)
    rows, labels = ordered.label_rows, ordered.labels
    sets = labels[np.lexsort((labels, rows))].astype("<i4")
    return fingerprint_bytes(
        b"\n".join(ordered.video_ids.tolist()), ordered.bounds.astype("<i8").tobytes(), sets.tobytes()
    )


def _predictions_by(model: str, role: str, path: StrPath) -> Predictions:
    """The promotion half of a predictions file, if it is by that model alone."""
    table = read_predictions(path)
    by = made_by(table)
    if by != [model]:
        raise InputError(f"{path}: predictions by {' + '.join(by)}, but {role} is {model}; predict with that model")
    return half_of(table, "promotion", path)


def _gain(champion: StrPath, other: Predictions, challenger: StrPath, table: Predictions) -> GapDifference:
    try:
        return compare_gap(other, table)
    except InputError as error:
        raise InputError(f"{champion} (champion) and {challenger} (challenger): {error}") from error
