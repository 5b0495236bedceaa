"""A challenger and the champion judged over the same videos: the promotion half of the validation set."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from yt8m.artifacts import fingerprint
from yt8m.champion.registry import Change
from yt8m.champion.scores import Scores, measure
from yt8m.champion.verdict import Thresholds, Verdict, as_json, judge
from yt8m.comparison import GapDifference, compare_gap
from yt8m.errors import InputError
from yt8m.halves import half_of
from yt8m.located_model import LocatedModel
from yt8m.predictions import Predictions, read_predictions

StrPath = str | os.PathLike[str]


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
            "simulated": self.simulated,
            "scores": self.scores.as_json(),
            "champion": champion,
            "gain": as_json(self.gain),
        }


def hold_contest(
    model: LocatedModel, current: Change | None, challenger: StrPath, champion: StrPath | None, thresholds: Thresholds
) -> Contest:
    """Measure the challenger, and the champion if there is one, and judge.

    Args:
        model: the challenger.
        current: the champion; None before the first.
        challenger, champion: predictions files by these two, of the validation videos or of their promotion half.
        thresholds: what the challenger must reach.

    Raises:
        InputError: a missing or wrong predictions file, or one of another model or of other videos.
    """
    table = _predictions_by(model.fingerprint, "the challenger", challenger)
    scores, against, gain = measure(table, challenger), None, None
    if current is not None:
        if champion is None:
            raise InputError(f"predictions of the champion {current.name} ({current.fingerprint}) are needed; predict "
                             "the same videos with it")  # fmt: skip
        other = _predictions_by(current.fingerprint, "the champion", champion)
        against, gain = measure(other, champion), _gain(champion, other, challenger, table)
    simulated = bool(table.metadata["simulated"]) or bool(model.manifest.get("simulated"))
    verdict = judge(scores.metrics["gap"], gain, thresholds)
    index = str(table.metadata["index"])
    return Contest(model, current, thresholds, scores, against, gain, verdict, index, simulated)


def _predictions_by(model: str, role: str, path: StrPath) -> Predictions:
    """The promotion half of a predictions file, if it is by that model alone."""
    table = read_predictions(path)
    by = [str(entry["fingerprint"]) for entry in table.metadata["models"]]
    if by != [model]:
        raise InputError(f"{path}: predictions by {' + '.join(by)}, but {role} is {model}; predict with that model")
    return half_of(table, "promotion", path)


def _gain(champion: StrPath, other: Predictions, challenger: StrPath, table: Predictions) -> GapDifference:
    try:
        return compare_gap(other, table)
    except InputError as error:
        raise InputError(f"{champion} (champion) and {challenger} (challenger): {error}") from error
