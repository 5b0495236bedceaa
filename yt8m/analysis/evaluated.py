"""Predictions with true labels, beside what the analysis derives from them once: hits, scores, facts about labels."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from yt8m.analysis.companions import Companions
from yt8m.artifacts import lists_from_arrow, read_table
from yt8m.errors import InputError
from yt8m.evaluation import TOP, measured
from yt8m.metrics import hits_in_top
from yt8m.predictions import Predictions, read_predictions
from yt8m.vocabulary import Vocabulary, read_vocabulary

UNKNOWN_VERTICALS = ("", "(Unknown)")


@dataclass(frozen=True)
class LabelFacts:
    """What is known about the V labels beside the predictions.

    Attributes:
        names: an unknown one is called by its index.
        verticals: empty texts when unknown.
        training_counts: int64 [V], training videos with each label; None when unknown.
        source: where the counts come from, for people: `the training index`, `the vocabulary`, or empty.
    """

    names: list[str]
    verticals: list[str]
    training_counts: np.ndarray | None
    source: str

    @property
    def has_verticals(self) -> bool:
        """Whether any label's vertical is known."""
        return any(self.verticals)


@dataclass(frozen=True)
class Training:
    """The labels of the videos that the model was trained on: of video i `labels[bounds[i]:bounds[i + 1]]`."""

    labels: np.ndarray
    bounds: np.ndarray
    fingerprint: str | None


@dataclass(frozen=True)
class Evaluated:
    """Labelled predictions over n videos and V classes; of each video the top K = min(20, V) count.

    Attributes:
        predictions: as read.
        labels: facts about the labels.
        metrics: gap, map, hit_at_1, perr, videos, positives.
        average_precisions: float64 [V]; NaN for a label that no video has.
        training: the training videos, or None.
        vocabulary_fingerprint: of the vocabulary, or None.
    """

    predictions: Predictions
    labels: LabelFacts
    metrics: dict[str, Any]
    average_precisions: np.ndarray
    training: Training | None = None
    vocabulary_fingerprint: str | None = None

    @property
    def num_classes(self) -> int:
        """V, of the model."""
        return len(self.labels.names)

    @property
    def k(self) -> int:
        """How many of a video's most confident labels count."""
        return min(TOP, self.num_classes)

    @cached_property
    def top_labels(self) -> np.ndarray:
        """int32 [n, K]."""
        return self.predictions.top_labels[:, : self.k]

    @cached_property
    def top_confidences(self) -> np.ndarray:
        """float32 [n, K], descending."""
        return self.predictions.top_confidences[:, : self.k]

    @cached_property
    def hits(self) -> np.ndarray:
        """Which of the top labels are true: bool [n, K]."""
        return hits_in_top(self.predictions.label_ranks, self.predictions.bounds, self.k)

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
    def positives(self) -> np.ndarray:
        """int64 [V]: videos that carry each label."""
        return np.bincount(self.predictions.labels, minlength=self.num_classes)

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


def read_evaluated(
    predictions: str | os.PathLike[str],
    index: str | os.PathLike[str] | None = None,
    vocabulary: str | os.PathLike[str] | None = None,
) -> Evaluated:
    """Read a predictions file and what there is about its labels, and check that they belong together.

    Args:
        predictions: of a labelled set, with the top 20 or more of each video.
        index: of the videos that the model was trained on; gives the training counts.
        vocabulary: the official CSV; gives names, verticals and, without an index, the training counts.

    Raises:
        InputError: no true labels, a label outside the classes, a vocabulary of another edition, a contradiction
            between the columns of the predictions.
    """
    table = read_predictions(predictions)
    if not len(table.labels):
        raise InputError(
            f"{predictions}: none of the {len(table)} videos has a true label (is it the test set?); "
            "analyze predictions of a labelled set, such as the validation set"
        )
    num_classes = int(table.metadata["num_classes"])
    training = _read_training(index, num_classes)
    counts = None if training is None else np.bincount(training.labels, minlength=num_classes)
    words = _vocabulary(vocabulary, num_classes)
    metrics = measured(table, predictions)
    return Evaluated(
        table, _label_facts(num_classes, words, counts), metrics.result(), metrics.average_precisions(),
        training, words.fingerprint() if words else None,
    )  # fmt: skip


def _read_training(path: str | os.PathLike[str] | None, classes: int) -> Training | None:
    if path is None:
        return None
    table, metadata = read_table(path, "video_index")
    labels, bounds = lists_from_arrow(table["labels"])
    if labels.max(initial=0) >= classes:
        raise InputError(
            f"{path}: label {labels.max()} lies outside the {classes} classes of the predictions; "
            "give the index of the videos that the model was trained on"
        )
    return Training(labels, bounds, metadata.get("fingerprint"))


def _vocabulary(path: str | os.PathLike[str] | None, classes: int) -> Vocabulary | None:
    if path is None:
        return None
    vocabulary = read_vocabulary(path)
    if len(vocabulary) != classes:
        raise InputError(
            f"{path}: {len(vocabulary)} labels, but the predictions have {classes} classes; "
            "use the vocabulary.csv of the same edition of the dataset"
        )
    return vocabulary


def _label_facts(classes: int, vocabulary: Vocabulary | None, counts: np.ndarray | None) -> LabelFacts:
    source = "the training index" if counts is not None else "the vocabulary" if vocabulary else ""
    if vocabulary is None:
        return LabelFacts([f"label {index}" for index in range(classes)], [""] * classes, counts, source)
    if counts is None:
        counts = vocabulary.counts
    return LabelFacts(vocabulary.names, vocabulary.verticals, counts, source)
