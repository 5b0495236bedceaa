"""What the predictions of a run say over its seeds: GAP, its parts by label frequency, and the causes of misses.

A score over several seeds and the videos it was taken on: its mean, and an interval for both.

A score differs with the videos it is taken on and with the seed of the training. Let `x_s` be the score of seed s of S
and `psi_s(v)` the influence of video v of n on it (see `yt8m.evaluation.influence`). Over the seeds,

    mean      m = (1 / S) sum_s x_s
    videos    V_v = n / (n - 1) sum_v ((1 / S) sum_s psi_s(v))^2       other videos, the same seeds
    seeds     V_s = (1 / S) (1 / (S - 1)) sum_s (x_s - m)^2            other seeds, the same videos
    interval  m ± t sqrt(V_v + V_s)

The two add up by the law of total variance. `t` is Student's quantile with the degrees of freedom of Welch and
Satterthwaite, `nu = (V_v + V_s)^2 / (V_v^2 / (n - 1) + V_s^2 / (S - 1))`: with three seeds it is 4.3 where the seeds
are all that varies and 1.96 where they do not matter. The difference of two runs is taken seed by seed, so that `x_s`
and `psi_s` are differences. When m of k figures are judged together, each has the level `1 - 0.05 / k` (Bonferroni).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import Evaluated, read_evaluated
from yt8m.evaluation.analysis.explanation import WORDS
from yt8m.evaluation.comparison import Verdict, matched, verdict_on
from yt8m.evaluation.evaluate import MANY
from yt8m.evaluation.influence import average_precision_influences, mean_influences
from yt8m.evaluation.slices import PairsByGroup, label_buckets

GRID = 200_001
NORMAL_FROM = 2_000.0


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its interval, and the standard errors it comes from.

    Attributes:
        value: the mean.
        low, high: the ends of the interval.
        seeds: the value of each seed.
        video_error, seed_error: the standard errors for videos and for seeds; the latter is None with one seed, and
            the interval is then that of the videos alone.
    """

    value: float
    low: float
    high: float
    seeds: list[float]
    video_error: float
    seed_error: float | None

    @property
    def verdict(self) -> Verdict:
        """Of a difference: better, worse or cannot tell."""
        return verdict_on(self.low, self.high)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def estimate(values: np.ndarray, influences: np.ndarray, *, judged_together: int = 1) -> Estimate:
    """The mean over seeds and its interval.

    Args:
        values: float [S], the score (or difference) of each seed.
        influences: float [n], the mean over the seeds of each video's influence.
        judged_together: how many figures share the 5 % of error.
    """
    count, videos = len(values), len(influences)
    mean, by_videos = float(values.mean()), videos / max(videos - 1, 1) * float(np.square(influences).sum())
    by_seeds = float(values.var(ddof=1)) / count if count > 1 else 0.0
    margin = (
        student(degrees(by_videos, videos, by_seeds, count), 0.05 / judged_together) * (by_videos + by_seeds) ** 0.5
    )
    seed_error = by_seeds**0.5 if count > 1 else None
    return Estimate(mean, mean - margin, mean + margin, values.tolist(), by_videos**0.5, seed_error)


def degrees(by_videos: float, videos: int, by_seeds: float, seeds: int) -> float:
    """Welch and Satterthwaite's degrees of freedom of the sum of two variances."""
    spread = by_videos**2 / max(videos - 1, 1) + (by_seeds**2 / (seeds - 1) if seeds > 1 else 0.0)
    return (by_videos + by_seeds) ** 2 / spread if spread else float("inf")


def student(freedom: float, outside: float = 0.05) -> float:
    """The two-sided quantile of Student's distribution: what lies farther out has the probability `outside`.

    With `x = sqrt(nu) tan(a)` the density becomes `cos(a)^(nu - 1)`, which is summed over a grid; beyond 2,000 degrees
    of freedom the quantile of 2,000 is within 0.1 % of the normal one.
    """
    freedom = min(max(freedom, 1.0), NORMAL_FROM)
    angles = np.linspace(0.0, np.pi / 2, GRID)
    density = np.cos(angles) ** (freedom - 1)
    below = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2)))
    angle = np.interp(1 - outside, below / below[-1], angles)
    return float(np.sqrt(freedom) * np.tan(angle))


Key = TypeVar("Key")


@dataclass(frozen=True)
class Scores:
    """The judged predictions of one run, one for each seed, all with their videos in one order."""

    seeds: Sequence[Evaluated]

    @cached_property
    def gaps(self) -> "Values":
        """GAP@20 of each seed."""
        values = [seed.result["gap"] for seed in self.seeds]
        rows = [average_precision_influences(s.bins, s.hits, s.predictions.labels_per_video) for s in self.seeds]
        return Values(np.array(values), np.mean(rows, axis=0))

    @cached_property
    def gaps_by_bucket(self) -> dict[tuple[int, int | None], "Values"]:
        """GAP of the labels of each bucket alone, by the bucket's ends."""
        grouping = label_buckets(self.seeds[0].num_classes)
        found: dict[tuple[int, int | None], Values] = {}
        sides = [PairsByGroup(seed, grouping.groups) for seed in self.seeds]
        for group, key in enumerate(grouping.keys):
            pairs = [side.pairs(group) for side in sides if len(side.rows(group))]
            if pairs:
                values = np.array([pair.gap() for pair in pairs])
                found[key["first"], key["last"]] = Values(values, np.mean([p.influences() for p in pairs], axis=0))
        return found

    @cached_property
    def missed_by_cause(self) -> dict[str, "Values"]:
        """How many labels are missed for each cause."""
        counts = [_missed_by_cause(seed) for seed in self.seeds]  # [S][causes, n]
        return {WORDS[cause].name: _totals([count[cause] for count in counts]) for cause in range(len(CAUSES))}

    def missed_videos(self) -> dict[str, "Values"]:
        """The paper's shares: of videos that miss a label; and of these, with one label and with four or more."""
        sizes = self.seeds[0].predictions.labels_per_video
        missed = [seed.missed_per_video > 0 for seed in self.seeds]
        everything = np.ones(len(sizes))
        return {
            "missed_share": _ratios(missed, [everything] * len(missed)),
            "one_label_share": _ratios([row & (sizes == 1) for row in missed], missed),
            "four_or_more_share": _ratios([row & (sizes >= MANY) for row in missed], missed),
        }


@dataclass(frozen=True)
class Values:
    """A score of each seed, float [S], and the mean over the seeds of each video's influence on it, float [n]."""

    values: np.ndarray
    influences: np.ndarray

    def estimate(self, judged_together: int = 1) -> Estimate:
        """The mean with its interval."""
        return estimate(self.values, self.influences, judged_together=judged_together)

    def __sub__(self, other: "Values") -> "Values":
        return Values(self.values - other.values, self.influences - other.influences)


def read_scores(files: Sequence[str], index: str, vocabulary: str | None, like: Scores | None = None) -> Scores:
    """The predictions of a run, one file a seed.

    Args:
        files: of predictions.
        index: of the training videos, for the causes.
        vocabulary: for the verticals, which tell a confusion.
        like: other predictions, whose order of videos is taken.

    Raises:
        InputError: see `read_evaluated`; other videos than those of `like`.
    """
    seeds = [read_evaluated(file, index, vocabulary) for file in files]
    reference = (like or Scores(seeds)).seeds[0].predictions
    return Scores([Evaluated(matched(reference, s.predictions), s.metrics, s.labels, s.training) for s in seeds])


def differences(
    a: Scores, b: Scores, part: Callable[[Scores], Mapping[Key, Values]]
) -> list[tuple[Key, Estimate, Estimate, Estimate]]:
    """For each part its key, A, B, and B minus A, judged together."""
    first, second = part(a), part(b)
    keys = [key for key in first if key in second]
    return [
        (key, first[key].estimate(), second[key].estimate(), (second[key] - first[key]).estimate(len(keys)))
        for key in keys
    ]


def _missed_by_cause(seed: Evaluated) -> np.ndarray:
    """int64 [causes, n]: how many labels of each video are missed for each cause."""
    size = len(seed.predictions)
    places = explain(seed).causes.astype(np.int64) * size + seed.missed_rows
    return np.bincount(places, minlength=len(CAUSES) * size).reshape(len(CAUSES), size)


def _totals(rows: Sequence[np.ndarray]) -> Values:
    """Sums of a number that each video has, float [n] a seed."""
    influences = np.mean([len(row) * mean_influences(row) for row in rows], axis=0)
    return Values(np.array([float(row.sum()) for row in rows]), influences)


def _ratios(parts: Sequence[np.ndarray], wholes: Sequence[np.ndarray]) -> Values:
    """Ratios of two sums; a video's influence on `R = sum a / sum b` is `(a_v - R b_v) / sum b`."""
    values, influences = [], []
    for part, whole in zip(parts, wholes, strict=True):
        total = max(float(whole.sum()), 1.0)
        values.append(float(part.sum()) / total)
        influences.append((part - values[-1] * whole) / total)
    return Values(np.array(values), np.mean(influences, axis=0))


COLUMNS = ("training_gap", "validation_gap", "learning_rate")
Curve = dict[str, list[float]]


def curve_of(history: pd.DataFrame, videos: int) -> Curve:
    """The points of a training: `epoch` (examples read over the videos of the whole partition) and the columns.

    Args:
        history: of the training.
        videos: of the training partition.
    """
    return {
        "epoch": (history["examples"] / videos).tolist(),
        **{name: history[name].tolist() for name in COLUMNS},
    }


def peak_epochs(curves: Sequence[Curve]) -> list[float]:
    """Where the validation GAP of each seed peaks, in whole hundredths of an epoch."""
    return [round(curve["epoch"][int(np.argmax(curve["validation_gap"]))], 2) for curve in curves]


def mean_peak(curves: Sequence[Curve]) -> float:
    """Where the mean of the seeds' validation GAP peaks; they are validated at the same steps."""
    mean = np.mean([curve["validation_gap"] for curve in curves], axis=0)
    return round(curves[0]["epoch"][int(np.argmax(mean))], 2)


def training_gap_from(curves: Sequence[Curve], epoch: float) -> tuple[float, float]:
    """The training GAP, a mean over the seeds, at the first validation from an epoch on, and at the end."""
    first = next((place for place, at in enumerate(curves[0]["epoch"]) if at >= epoch), -1)
    values = np.mean([curve["training_gap"] for curve in curves], axis=0)
    return float(values[first]), float(values[-1])
