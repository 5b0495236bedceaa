"""What is known about labels beside the predictions: names and verticals, and how often each was trained on."""

from dataclasses import dataclass

import numpy as np

from yt8m.artifacts import ids_from_arrow, read_table
from yt8m.data.records.video_index import KIND, warn_of_shared
from yt8m.errors import InputError
from yt8m.storage import StrPath
from yt8m.vocabulary import Vocabulary, read_vocabulary


@dataclass(frozen=True)
class LabelInfo:
    """What is known about V labels.

    Attributes:
        names: an unknown one is called by its index.
        verticals: empty texts when unknown.
        training_counts: int64 [V], training videos with each label; None when unknown.
        source: where the counts come from, for people: `the training index`, `the vocabulary`, or empty.
        training_fingerprint, vocabulary_fingerprint: of the training index and the vocabulary, or None.
    """

    names: list[str]
    verticals: list[str]
    training_counts: np.ndarray | None
    source: str
    training_fingerprint: str | None = None
    vocabulary_fingerprint: str | None = None

    @property
    def has_verticals(self) -> bool:
        """Whether any label's vertical is known."""
        return any(self.verticals)


def read_label_info(
    classes: int,
    index: StrPath | None = None,
    vocabulary: StrPath | None = None,
    *,
    predicted: np.ndarray | None = None,
) -> LabelInfo:
    """What an index of the training videos and a vocabulary say about the labels of a model.

    Args:
        classes: V, of the model.
        index: of the videos that the model was trained on; gives the training counts.
        vocabulary: the official CSV; gives names, verticals and, without an index, the training counts.
        predicted: ids of the videos that the model is judged on; those that it was trained on are counted on stderr.

    Raises:
        InputError: a label of the index outside the classes, or a vocabulary of another edition.
    """
    counts, trained_on = _training_counts(index, classes, predicted)
    words = _vocabulary(vocabulary, classes)
    if words is None:
        names, verticals = [f"label {label}" for label in range(classes)], [""] * classes
        return LabelInfo(names, verticals, counts, "the training index" if index else "", trained_on)
    known = words.counts if counts is None else counts
    source = "the vocabulary" if counts is None else "the training index"
    return LabelInfo(words.names, words.verticals, known, source, trained_on, words.fingerprint())


def _training_counts(
    path: StrPath | None, classes: int, predicted: np.ndarray | None
) -> tuple[np.ndarray | None, str | None]:
    if path is None:
        return None, None
    table, metadata = read_table(path, KIND)
    labels = table["labels"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if labels.max(initial=0) >= classes:
        raise InputError(
            f"{path}: label {labels.max()} lies outside the {classes} classes of the predictions; "
            "give the index of the videos that the model was trained on"
        )
    if predicted is not None:
        warn_of_shared("the predictions", predicted, path, ids_from_arrow(table["video_id"]))
    return np.bincount(labels, minlength=classes), metadata.get("fingerprint")


def _vocabulary(path: StrPath | None, classes: int) -> Vocabulary | None:
    if path is None:
        return None
    vocabulary = read_vocabulary(path)
    if len(vocabulary) != classes:
        raise InputError(
            f"{path}: {len(vocabulary)} labels, but the predictions have {classes} classes; "
            "use the vocabulary.csv of the same edition of the dataset"
        )
    return vocabulary
