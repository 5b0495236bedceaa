"""Scored predictions, beside what is known about their labels and about the videos that the model was trained on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from yt8m.artifacts import lists_from_arrow, read_table
from yt8m.evaluation.label_info import LabelInfo, read_label_info
from yt8m.evaluation.scored_predictions import ScoredPredictions, read_scored
from yt8m.storage import StrPath

CHUNK = 2_000_000
LEAST_TOGETHER = 3


class Companions:
    """Co-occurrences of V labels over n videos.

    Args:
        labels: int [occurrences], the labels of one video after the other, none twice in a video.
        bounds: int [n + 1]; the labels of video i are `labels[bounds[i]:bounds[i + 1]]`.
        num_classes: V.
    """

    def __init__(self, labels: np.ndarray, bounds: np.ndarray, num_classes: int):
        self._labels, self._bounds, self._classes = labels, bounds, num_classes

    @cached_property
    def videos(self) -> np.ndarray:
        """int64 [V]: videos with each label."""
        return np.bincount(self._labels, minlength=self._classes)

    @cached_property
    def together(self) -> np.ndarray:
        """int32 [V, V]: videos with both of two labels; 0 on the diagonal."""
        counts = np.zeros(self._classes**2, np.int32)
        sizes = np.diff(self._bounds)
        for size in np.unique(sizes[sizes > 1]).tolist():
            starts = self._bounds[:-1][sizes == size]
            step = max(1, CHUNK // size**2)
            for start in range(0, len(starts), step):
                lists = self._labels[starts[start : start + step, None] + np.arange(size)]
                codes, videos = np.unique(self._codes(lists), return_counts=True)
                counts[codes] += videos.astype(np.int32)
        table = counts.reshape(self._classes, self._classes)
        return table + table.T

    def share(self, label: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Of the videos with the label `given`, the share that has `label` too; 0 below LEAST_TOGETHER such videos.

        Both are int, of shapes that broadcast; float64 of the common shape is returned.
        """
        both = self.together[label, given]
        return np.where(both >= LEAST_TOGETHER, both, 0) / np.maximum(1, self.videos[given])

    def lift(self, label: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How many times as often as by chance two labels come together: P(both) / (P(label) P(other))."""
        expected = self.videos[label] * (self.videos[other] / max(1, len(self._bounds) - 1))
        return self.together[label, other] / np.maximum(expected, np.finfo(np.float64).tiny)

    def _codes(self, lists: np.ndarray) -> np.ndarray:
        first, second = np.triu_indices(lists.shape[1], k=1)
        return lists[:, first].astype(np.int64) * self._classes + lists[:, second]


UNKNOWN_VERTICALS = ("", "(Unknown)")


@dataclass(frozen=True)
class Training:
    """The labels of the videos that the model was trained on: of video i `labels[bounds[i]:bounds[i + 1]]`."""

    labels: np.ndarray
    bounds: np.ndarray


@dataclass(frozen=True)
class Evaluated(ScoredPredictions):
    """Labelled predictions over n videos and V classes; of each video the top K = min(20, V) count.

    Attributes:
        labels: facts about the labels.
        training: the training videos, or None.
    """

    labels: LabelInfo
    training: Training | None = None

    @cached_property
    def missed(self) -> np.ndarray:
        """Which true labels are not among their video's top K: bool [occurrences]."""
        return self.predictions.label_ranks > self.k

    @cached_property
    def missed_rows(self) -> np.ndarray:
        """int64 [missed]: the video of each missed label."""
        return self.predictions.label_rows[self.missed]

    @cached_property
    def missed_per_video(self) -> np.ndarray:
        """int64 [n]: how many true labels each video's top K misses."""
        return np.bincount(self.missed_rows, minlength=len(self.predictions))

    @cached_property
    def companions(self) -> Companions:
        """The labels' co-occurrences in the training videos; when these are unknown, in the evaluated ones."""
        source = self.training or self.predictions
        return Companions(source.labels, source.bounds, self.num_classes)

    @cached_property
    def vertical_numbers(self) -> np.ndarray:
        """Integers [V]: labels of the same vertical have the same; -1 where it is unknown."""
        names, numbers = np.unique(self.labels.verticals, return_inverse=True)
        return np.where(np.isin(names[numbers], UNKNOWN_VERTICALS), -1, numbers)

    @property
    def frequencies(self) -> np.ndarray:
        """int64 [V]: training videos with each label; when unknown, the evaluated videos with it."""
        counts = self.labels.training_counts
        return self.positives if counts is None else counts

    @cached_property
    def priors(self) -> np.ndarray:
        """float32 [V]: the share of the videos with each label in training, what a model knows that sees nothing.

        By the vocabulary's counts alone, with as many labels a video as here; when unknown, among the evaluated videos.
        """
        counts = self.frequencies
        labels = len(self.predictions.labels)
        videos = (
            len(self.training.bounds) - 1 if self.training else counts.sum() * len(self.predictions) / max(1, labels)
        )
        return np.minimum(counts / max(1, videos), 1).astype(np.float32)


def read_evaluated(
    predictions: StrPath,
    index: StrPath | None = None,
    vocabulary: StrPath | None = None,
) -> Evaluated:
    """Read a predictions file and what there is about its labels, and check that they belong together.

    Args:
        predictions: of a labelled set, with the top 20 or more of each video.
        index: of the videos that the model was trained on; gives the training counts and the co-occurrences.
        vocabulary: the official CSV; gives names, verticals and, without an index, the training counts.

    Raises:
        InputError: no true labels, a label outside the classes, a vocabulary of another edition, a contradiction
            between the columns of the predictions.
    """
    scored = read_scored(predictions)
    labels = read_label_info(scored.num_classes, index, vocabulary, predicted=scored.predictions.video_ids)
    return Evaluated(scored.predictions, scored.metrics, labels, None if index is None else _read_training(index))


def _read_training(path: StrPath) -> Training:
    table, _ = read_table(path, "video_index")
    return Training(*lists_from_arrow(table["labels"]))
