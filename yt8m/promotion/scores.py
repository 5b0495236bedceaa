"""How a model does on the videos that decide on its promotion."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.evaluation.influence import Interval, gap_influences, normal_interval, perr_influences, share_interval
from yt8m.evaluation.scored_predictions import measured
from yt8m.prediction.table import Predictions
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
