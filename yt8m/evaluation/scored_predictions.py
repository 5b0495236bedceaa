"""Predictions of labelled videos, checked, beside what every score of them needs: hits, bins, the metrics."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from yt8m.errors import InputError
from yt8m.evaluation.influence import average_precision_influences, confidence_bins, without_gaps
from yt8m.evaluation.metrics import Metrics, hits_in_top
from yt8m.prediction.table import Predictions, read_predictions
from yt8m.prediction.top_k import TOP
from yt8m.storage import StrPath


@dataclass(frozen=True)
class ScoredPredictions:
    """Labelled predictions over n videos and V classes; of each video the top K = min(20, V) count."""

    predictions: Predictions
    metrics: Metrics

    @property
    def num_classes(self) -> int:
        """V, of the model."""
        return self.metrics.num_classes

    @property
    def k(self) -> int:
        """How many of a video's most confident labels count."""
        return self.metrics.k

    @property
    def positives(self) -> np.ndarray:
        """int64 [V]: videos that carry each label."""
        return self.metrics.class_positives

    @property
    def top_labels(self) -> np.ndarray:
        """int32 [n, K]."""
        return self.predictions.top_labels[:, : self.k]

    @property
    def top_confidences(self) -> np.ndarray:
        """float32 [n, K], descending."""
        return self.predictions.top_confidences[:, : self.k]

    @cached_property
    def hits(self) -> np.ndarray:
        """Which of the top labels are true: bool [n, K]."""
        return hits_in_top(self.predictions.label_ranks, self.predictions.bounds, self.k)

    @cached_property
    def bins(self) -> np.ndarray:
        """The bins of the top confidences (see `influence.confidence_bins`), without gaps: int32 [n, K]."""
        return without_gaps(confidence_bins(self.top_confidences)).reshape(self.hits.shape)

    @cached_property
    def label_counts(self) -> np.ndarray:
        """int64 [V]: videos with each label among their top K."""
        return np.bincount(self.top_labels.ravel(), minlength=self.num_classes)

    @cached_property
    def gap_influences(self) -> np.ndarray:
        """The influence of each video on GAP: float64 [n]."""
        return average_precision_influences(self.bins, self.hits, self.predictions.labels_per_video)

    @cached_property
    def average_precisions(self) -> np.ndarray:
        """float64 [V]; NaN for a label that no video has."""
        return self.metrics.average_precisions()

    @cached_property
    def result(self) -> dict[str, float]:
        """`gap`, `map`, `map_rare`, `hit_at_1`, `perr`, `videos`, `positives`."""
        return self.metrics.result()


def read_scored(path: StrPath) -> ScoredPredictions:
    """Read a predictions file of labelled videos and check it.

    Raises:
        InputError: no such file, no videos, no labels, fewer than 20 places, or a wrong confidence, rank or label.
    """
    table = read_predictions(path)
    _require_labels(table, path)
    return ScoredPredictions(table, measured(table, path))


def measured(table: Predictions, path: StrPath) -> Metrics:
    """The metrics of a table at its top 20 (all classes, when there are fewer); errors name the file `path`."""
    metrics = Metrics(int(table.metadata["num_classes"]), TOP)
    try:
        metrics.add(
            table.top_labels, table.top_confidences, table.labels, table.label_ranks, table.label_confidences,
            table.bounds,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return metrics


def _require_labels(table: Predictions, path: StrPath) -> None:
    if not len(table):
        raise InputError(f"{path}: holds no videos; predict an index that has some")
    if not len(table.labels):
        raise InputError(
            f"{path}: none of the {len(table):,} videos has labels (the test partition?); "
            "give predictions of labelled videos, such as the validate partition"
        )
