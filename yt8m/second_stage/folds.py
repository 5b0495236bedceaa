"""Which fold of a cross-fitting a video belongs to, and a training set without one of them.

The fold follows from the video's id alone, so that all models that are cross-fitted leave out the same videos together,
and a prediction tells by its ids which videos its model cannot have seen.
"""

import hashlib
from dataclasses import replace

import numpy as np

from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.errors import InputError

MOST = 20


def check_folds(folds: int) -> None:
    """Raise InputError unless there are 2 to 20 folds."""
    if not 2 <= folds <= MOST:
        raise InputError(f"--folds {folds}: it can be 2 to {MOST}")


def fold_of(video_ids: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each video (bytes, NumPy `S`), int64 [n] from 0: BLAKE2b of its id, modulo the number of folds."""
    digests = (hashlib.blake2b(video, digest_size=4, person=b"yt8m-fold").digest() for video in video_ids.tolist())
    numbers = np.fromiter((int.from_bytes(digest, "big") for digest in digests), np.int64, len(video_ids))
    return numbers % folds


def without_fold(training_set: TrainingSet, fold: int, folds: int) -> TrainingSet:
    """A training set without the videos of a fold, the others as often as they were."""
    kept = np.flatnonzero(fold_of(training_set.index.video_ids, folds) != fold)
    return replace(training_set, index=training_set.index.take(kept), repeats=training_set.repeats[:, kept])
