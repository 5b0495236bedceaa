"""The result of an experiment from its trainings: ours beside the paper's, with an interval and a verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from yt8m.errors import InputError
from yt8m.evaluation.evaluate import MANY
from yt8m.paper.experiments import Experiment
from yt8m.paper.scores import (
    Estimate,
    Scores,
    curve_of,
    differences,
    mean_peak,
    peak_epochs,
    read_scores,
    training_gap_from,
)
from yt8m.paper.trainings import Trained
from yt8m.vocabulary import read_vocabulary

HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "cannot be told", "not run"
ROUNDING = 0.005
STATED = ("one_label_share", "four_or_more_share")
NARROW = 0.02
Result = dict[str, Any]


@dataclass
class Judge:
    """Judges experiments; predictions are read once.

    Attributes:
        trainings: the name of a run -> its trainings.
        training_index: of the frame-level training videos.
        vocabulary: the official CSV, or None.
        videos: of the training partition.
        sizes: presets by name -> the sizes of the full models.
    """

    trainings: Callable[[str], list[Trained]]
    training_index: Callable[[], str]
    vocabulary: str | None
    videos: Callable[[], int]
    sizes: Callable[[dict[str, str]], dict[str, dict[str, Any]]]
    _scores: dict[str, Scores] = field(default_factory=dict)

    def judge(self, experiment: Experiment) -> Result:
        """`ours`, `interval`, `verdict`, `agrees` (holds, does not hold, cannot be told), and what the page shows.

        Raises:
            InputError: a training or a file that it needs cannot be had.
        """
        kinds = {
            "imbalance": self._imbalance, "difference": self._difference, "scores": self._table,
            "curve": self._curve, "errors": self._errors,
        }  # fmt: skip
        for run in experiment.needed:
            self.trainings(run)
        return kinds[experiment.kind](experiment)

    def scores(self, run: str) -> Scores:
        """The judged predictions of a run."""
        if run not in self._scores:
            like = next(iter(self._scores.values()), None)
            files = [trained.predictions for trained in self.trainings(run)]
            self._scores[run] = read_scores(files, self.training_index(), self.vocabulary, like)
        return self._scores[run]

    def _imbalance(self, experiment: Experiment) -> Result:
        if self.vocabulary is None:
            raise InputError("the label counts are in the official vocabulary.csv; name it with --vocabulary")
        counts = read_vocabulary(self.vocabulary).counts
        shares = np.cumsum(counts) / counts.sum()
        cuts = {key: int(key.removeprefix("below_")) for key in experiment.published}
        ours = {key: float(shares[min(cut, len(shares)) - 1]) for key, cut in cuts.items()}
        same = all(abs(ours[key] - value) < ROUNDING for key, value in experiment.published.items())
        places = np.unique(np.geomspace(1, len(shares), 200).astype(int))
        return {
            "ours": ours, "interval": None, "verdict": "exact", "agrees": HOLDS if same else FAILS,
            "occurrences": int(counts.sum()),
            "curve": {"labels": places.tolist(), "share": shares[places - 1].tolist()},
        }  # fmt: skip

    def _difference(self, experiment: Experiment) -> Result:
        run, against = str(experiment.run), str(experiment.against)
        difference = (self.scores(run).gaps - self.scores(against).gaps).estimate()
        return {
            "ours": {
                "difference": difference.value, run: self.scores(run).gaps.estimate().value,
                against: self.scores(against).gaps.estimate().value,
            },
            "interval": _interval(difference), "verdict": difference.verdict,
            "agrees": agreement(difference.verdict, experiment.expected), "seeds": difference.seeds,
            "video_error": difference.video_error, "seed_error": difference.seed_error,
            **self._parts(against, run), "curves": self._curves([against, run]),
            "examples": self._examples([against, run]),
        }  # fmt: skip

    def _table(self, experiment: Experiment) -> Result:
        estimates = {row: self.scores(run).gaps.estimate() for row, run in experiment.runs.items()}
        first, *others = experiment.runs
        judged = {
            row: (self.scores(experiment.runs[row]).gaps - self.scores(experiment.runs[first]).gaps).estimate()
            for row in others
        }
        verdicts = {row: judged[row].verdict for row in others}
        return {
            "ours": {row: value.value for row, value in estimates.items()},
            "interval": {row: _interval(value) for row, value in estimates.items()},
            "verdict": verdicts, "agrees": agreement_of_all(verdicts, experiment.expected),
            "differences": {
                row: {"difference": value.value, "interval": _interval(value)} for row, value in judged.items()
            },
            "seeds": {row: value.seeds for row, value in estimates.items()},
            "models": {row: self._size(run) for row, run in experiment.runs.items()},
            "full_sizes": self.sizes(experiment.sizes) if experiment.sizes else {},
            "curves": self._curves(list(experiment.runs.values())),
        }  # fmt: skip

    def _curve(self, experiment: Experiment) -> Result:
        run, against = str(experiment.run), str(experiment.against)
        difference = (self.scores(run).gaps - self.scores(against).gaps).estimate()
        curves = self._curves([run])[run]
        peaks, peak = peak_epochs(curves), mean_peak(curves)
        training = training_gap_from(curves, experiment.published["peak_epoch"][0])
        return {
            "ours": {
                "peak_epoch": peak, "difference": difference.value, run: self.scores(run).gaps.estimate().value,
                against: self.scores(against).gaps.estimate().value,
            },
            "interval": {"peak_epoch": [min(peaks), max(peaks)], "difference": _interval(difference)},
            "verdict": difference.verdict, "agrees": _peaks_there(experiment, peak, difference.verdict, training),
            "seeds": difference.seeds, "peaks": peaks, "step": round(curves[0]["epoch"][0], 2),
            "last_epoch": round(curves[0]["epoch"][-1], 2),
            "training_gap": list(training),
            "curves": {run: curves},
        }  # fmt: skip

    def _errors(self, experiment: Experiment) -> Result:
        scores = self.scores(str(experiment.run))
        estimates = {key: value.estimate() for key, value in scores.missed_videos().items()}
        sizes = scores.seeds[0].predictions.labels_per_video
        verdicts = {key: _beside(estimates[key], value) for key, value in experiment.published.items()}
        return {
            "ours": {key: value.value for key, value in estimates.items()},
            "interval": {key: _interval(value) for key, value in estimates.items()},
            "verdict": verdicts,
            "agrees": _matches(estimates, experiment.published),
            "videos": len(sizes),
            "all_videos": {
                "one_label_share": float((sizes == 1).mean()), "four_or_more_share": float((sizes >= MANY).mean())
            },
            "causes": [
                {"cause": cause, **_described(value.estimate())} for cause, value in scores.missed_by_cause.items()
            ],
        }  # fmt: skip

    def _parts(self, a: str, b: str) -> Result:
        first, second = self.scores(a), self.scores(b)
        buckets = differences(first, second, lambda scores: scores.gaps_by_bucket)
        causes = differences(first, second, lambda scores: scores.missed_by_cause)
        return {
            "buckets": [{"first": key[0], "last": key[1], **_row(x, y, d)} for key, x, y, d in buckets],
            "causes": [{"cause": key, **_row(x, y, d, fewer_is_better=True)} for key, x, y, d in causes],
        }

    def _curves(self, runs: Sequence[str]) -> dict[str, list[dict[str, list[float]]]]:
        return {run: [curve_of(trained.history(), self.videos()) for trained in self.trainings(run)] for run in runs}

    def _examples(self, runs: Sequence[str]) -> dict[str, float]:
        return {run: float(np.mean([t.record["examples"] for t in self.trainings(run)])) for run in runs}

    def _size(self, run: str) -> dict[str, Any]:
        record = self.trainings(run)[0].record
        return {key: record[key] for key in ("parameters", "bytes", "steps")}


def agreement(verdict: str, expected: str) -> str:
    """Whether a verdict agrees with the paper's."""
    if verdict == "cannot tell":
        return OPEN
    return HOLDS if verdict == expected else FAILS


def agreement_of_all(verdicts: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """The same of several: one that contradicts the paper decides, then one that cannot be told."""
    all_of_them = [agreement(verdicts[row], value) for row, value in expected.items()]
    return next((value for value in (FAILS, OPEN) if value in all_of_them), HOLDS)


def _peaks_there(experiment: Experiment, peak: float, verdict: str, training: tuple[float, float]) -> str:
    """Whether a curve peaks where the paper says while training GAP (before, after) goes on rising.

    That GAP falls after the paper's peak is judged by the predictions of two trainings. Where a peak lies earlier is
    not: the highest of several validations is higher by chance.
    """
    low, high = experiment.published["peak_epoch"]
    if verdict == experiment.expected and low <= peak <= high and training[1] > training[0]:
        return HOLDS
    return FAILS if agreement(verdict, experiment.expected) == FAILS else OPEN


def _matches(estimates: Mapping[str, Estimate], published: Mapping[str, float]) -> str:
    """Whether the statement's shares are the paper's.

    An interval without the paper's share speaks against it; one that holds it speaks for it if it is narrow.
    """
    main = [(estimates[key], value) for key, value in published.items() if key in STATED]
    if any(_beside(estimate, value) != "cannot tell" for estimate, value in main):
        return FAILS
    return HOLDS if all(estimate.high - estimate.low <= 2 * NARROW for estimate, _ in main) else OPEN


def _beside(value: Estimate, published: float) -> str:
    return "above" if value.low > published else "below" if value.high < published else "cannot tell"


def _interval(value: Estimate) -> list[float]:
    return [value.low, value.high]


def _described(value: Estimate) -> dict[str, Any]:
    return {"value": value.value, "interval": _interval(value)}


def _row(a: Estimate, b: Estimate, difference: Estimate, *, fewer_is_better: bool = False) -> dict[str, Any]:
    verdict: str = difference.verdict
    if fewer_is_better:
        verdict = {"better": "worse", "worse": "better"}.get(verdict, verdict)
    return {"a": a.value, "b": b.value, "difference": difference.value, "interval": _interval(difference),
            "verdict": verdict}  # fmt: skip
