"""What the predictions of a run say over its seeds: GAP, its parts by label frequency, and the causes of misses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import Evaluated, read_evaluated
from yt8m.evaluation.analysis.explanation import WORDS
from yt8m.evaluation.comparison import matched
from yt8m.evaluation.evaluate import MANY
from yt8m.evaluation.influence import average_precision_influences, mean_influences
from yt8m.evaluation.slices import PairsByGroup, label_buckets
from yt8m.paper.seeds import Estimate, estimate

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
