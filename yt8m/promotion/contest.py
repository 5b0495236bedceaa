"""A challenger and the champion judged over the same videos: the promotion half of the validation set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint, fingerprint_bytes
from yt8m.errors import InputError
from yt8m.evaluation.comparison import GapDifference, compare_gap
from yt8m.evaluation.holdout_split import half_of
from yt8m.prediction.table import Predictions, read_predictions, taken
from yt8m.promotion.scores import Scores, measure
from yt8m.promotion.verdict import Thresholds, Verdict, as_json, judge, needed_gain
from yt8m.registry.champions import Change, contest_key
from yt8m.registry.manifest import LocatedModel
from yt8m.storage import StrPath


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
    by = [str(entry["fingerprint"]) for entry in table.metadata["models"]]
    if by != [model]:
        raise InputError(f"{path}: predictions by {' + '.join(by)}, but {role} is {model}; predict with that model")
    return half_of(table, "promotion", path)


def _gain(champion: StrPath, other: Predictions, challenger: StrPath, table: Predictions) -> GapDifference:
    try:
        return compare_gap(other, table)
    except InputError as error:
        raise InputError(f"{champion} (champion) and {challenger} (challenger): {error}") from error
