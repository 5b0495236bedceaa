"""What a training may take from earlier ones: the weights of a trained model to start from, and a teacher.

A teacher is a trained model, which then predicts each batch within the step, or the predictions that models (an
ensemble, say) made of the training videos: of these the confidences in the file count, and all others are zero.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader import PADDING
from yt8m.prediction.table import Predictions, read_predictions
from yt8m.registry.manifest import MANIFEST, read_manifest
from yt8m.storage import StrPath


@dataclass(frozen=True)
class InitialModel:
    """A trained model's folder, and the fingerprint of the model."""

    path: str
    fingerprint: str


@dataclass(frozen=True)
class Teacher:
    """Whose predictions a training learns from, beside the labels.

    Attributes:
        path: of the model's folder or the predictions file.
        fingerprint: of the model or the predictions.
        predictions: of the rows of the training set, in its order; None when the teacher is a model.
        num_classes: labels V.
    """

    path: str
    fingerprint: str
    predictions: tuple[np.ndarray, np.ndarray] | None
    num_classes: int

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """The teacher's confidences float32 `[B, V]` for rows of the training set."""
        assert self.predictions is not None
        targets = np.zeros((len(rows), self.num_classes), np.float32)
        real = np.flatnonzero(rows != PADDING)
        labels, confidences = (column[rows[real]] for column in self.predictions)
        targets[real[:, None], labels] = confidences
        return targets


def read_initial_model(path: StrPath, preset: dict[str, Any], num_classes: int, vocabulary: str | None) -> InitialModel:
    """The model whose weights a training starts from, checked against what is to be trained.

    Raises:
        InputError: no model, or one of another architecture, other sizes, classes or vocabulary.
    """
    manifest = _read_model(path, "--init-from", num_classes, vocabulary)
    if manifest["architecture"] != preset["model"]["name"]:
        raise InputError(f"--init-from {path}: a model of the architecture {manifest['architecture']}, the preset "
                         f"{preset['name']} trains {preset['model']['name']}; choose another")  # fmt: skip
    return InitialModel(os.fspath(path), manifest["fingerprint"])


def read_teacher(path: StrPath, index: VideoIndex, level: str, num_classes: int, vocabulary: str | None) -> Teacher:
    """A teacher, checked against the training set.

    Args:
        path: folder of a trained model, or a predictions file of (at least) the training videos.
        index: the training videos.
        level: of their records.
        num_classes, vocabulary: of the model to be trained.

    Raises:
        InputError: neither, another level, other classes or vocabulary, or a training video without prediction.
    """
    if os.path.isfile(path) and not os.fspath(path).endswith(MANIFEST):
        predictions = read_predictions(path)
        _check_classes(f"--teacher {path}", int(predictions.metadata["num_classes"]), num_classes)
        identity = fingerprint(["predictions", predictions.metadata["fingerprint"]])
        return Teacher(os.fspath(path), identity, _of_videos(path, predictions, index), num_classes)
    manifest = _read_model(path, "--teacher", num_classes, vocabulary)
    if manifest["level"] != level:
        raise InputError(f"--teacher {path}: a model of {manifest['level']}-level records, the training set holds "
                         f"{level}-level ones; give its predictions of the videos instead")  # fmt: skip
    return Teacher(os.fspath(path), manifest["fingerprint"], None, num_classes)


def _read_model(path: StrPath, option: str, num_classes: int, vocabulary: str | None) -> dict[str, Any]:
    manifest = read_manifest(path)
    _check_classes(f"{option} {path}", manifest["num_classes"], num_classes)
    theirs = manifest.get("vocabulary_fingerprint")
    if theirs and vocabulary and theirs != vocabulary:
        raise InputError(f"{option} {path}: a model of another vocabulary ({theirs}, here {vocabulary}); its labels "
                         "mean other things")  # fmt: skip
    return manifest


def _check_classes(what: str, theirs: int, ours: int) -> None:
    if theirs != ours:
        raise InputError(f"{what}: it has {theirs} classes, the model to be trained {ours}; choose another")


def _of_videos(path: StrPath, predictions: Predictions, index: VideoIndex) -> tuple[np.ndarray, np.ndarray]:
    """Top labels and confidences of the videos of an index, in its order."""
    order = np.argsort(predictions.video_ids, kind="stable")
    known = predictions.video_ids[order]
    places = np.minimum(np.searchsorted(known, index.video_ids), max(len(known) - 1, 0))
    missing = np.flatnonzero(known[places] != index.video_ids) if len(known) else np.arange(len(index))
    if len(missing):
        video = index.video_ids[missing[0]].decode()
        raise InputError(f"--teacher {path}: no prediction of {len(missing):,} of the {len(index):,} training videos, "
                         f"such as {video}; predict the index that the training set was made of")  # fmt: skip
    rows = order[places]
    return predictions.top_labels[rows], predictions.top_confidences[rows]
