"""Whether predictions may be used to fit something: no model that made them has seen their videos.

Two kinds may: predictions of videos that are in none of the models' training sets, such as a part of the validation
partition; and cross-fitted ones (`yt8m crossfit`), in which each video is predicted by a model that did not learn from
it. Of those the label statistics, too, must leave the video's fold out.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from yt8m.artifacts import ids_to_arrow
from yt8m.data.rebalance.training_set import TrainingSet, read_training_set
from yt8m.errors import InputError
from yt8m.second_stage.folds import fold_of, without_fold
from yt8m.second_stage.members import Members
from yt8m.storage import StrPath


def check_unseen(members: Members, training_set: StrPath) -> tuple[TrainingSet, int]:
    """The models' training set, and in how many folds they were cross-fitted; 0 for predictions of other videos.

    Raises:
        InputError: a table by a model of another training set, of videos that its model has learned from, or not
            labelled; or cross-fitted tables beside others.
    """
    training = read_training_set(training_set)
    found = training.fingerprint()
    folds = {int(model.get("folds", 0)) for model in members.models}
    for path, table in zip(members.paths, members.tables, strict=True):
        if not len(table.labels):
            raise InputError(f"{path}: none of its {len(table):,} videos has labels; predict a labelled partition")
        for model in table.metadata["models"]:
            if model.get("training_set") != found:
                raise InputError(f"{path}: the model {model['name']} learned from the training set "
                                 f"{model.get('training_set')}, {training_set} is {found}; give that one")  # fmt: skip
            seen = 0 if model.get("folds") else shared(table.video_ids, training.index.video_ids)
            if seen:
                raise InputError(f"{path}: the model {model['name']} has learned from {seen:,} of these "
                                 f"{len(table):,} videos, so it does better on them than on new ones; predict other "
                                 "videos, or these with `yt8m crossfit`")  # fmt: skip
    if len(folds) > 1:
        raise InputError(f"{', '.join(members.paths)}: made with {sorted(folds)} folds (0: not cross-fitted); "
                         "cross-fit each model with the same number")  # fmt: skip
    return training, folds.pop()


def fitting_parts(members: Members, training: TrainingSet, folds: int) -> Iterator[tuple[np.ndarray, TrainingSet]]:
    """Rows of the tables, and the training videos by whose labels they may be described."""
    if not folds:
        yield np.arange(len(members.tables[0])), training
        return
    numbers = fold_of(members.tables[0].video_ids, folds)
    for fold in range(folds):
        yield np.flatnonzero(numbers == fold), without_fold(training, fold, folds)


def shared(ids: np.ndarray, others: np.ndarray) -> int:
    """How many of the ids are among the others; both bytes (NumPy `S`)."""
    return int(pc.sum(pc.is_in(ids_to_arrow(ids), value_set=ids_to_arrow(others))).as_py() or 0)
