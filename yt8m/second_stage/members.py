"""Predictions of the same videos by several models, joined: which labels are candidates, and what each model says.

A table keeps the most confident labels of a video; for a candidate that it lacks, half of its last confidence stands.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.evaluation.comparison import matched
from yt8m.prediction.table import Predictions, read_predictions
from yt8m.prediction.top_k import top_k
from yt8m.storage import StrPath

BLOCK = 256


@dataclass(frozen=True)
class Candidates:
    """The candidate labels of n videos by M models.

    Attributes:
        rows: int64 [n], of the tables.
        labels: int32 [n, C], by descending mean.
        members: float32 [M, n, C], the confidence of each model.
        mean: float32 [n, C].
    """

    rows: np.ndarray
    labels: np.ndarray
    members: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True)
class Members:
    """M tables of the same videos, in the same order.

    Attributes:
        paths: of the files.
        tables: their content.
    """

    paths: list[str]
    tables: list[Predictions]

    @property
    def num_classes(self) -> int:
        """V."""
        return int(self.tables[0].metadata["num_classes"])

    @property
    def models(self) -> list[dict[str, Any]]:
        """What the tables say of the models that made them."""
        return [model for table in self.tables for model in table.metadata["models"]]

    @property
    def identities(self) -> list[str]:
        """A fingerprint of each table's models and their weights: what must be equal for one to stand for another."""
        return [
            fingerprint([[model["fingerprint"], model.get("weight")] for model in table.metadata["models"]])
            for table in self.tables
        ]

    @property
    def names(self) -> list[str]:
        """What the models of each table are called."""
        return [" + ".join(str(model["name"]) for model in table.metadata["models"]) for table in self.tables]

    def candidates(self, count: int, rows: np.ndarray) -> Iterator[Candidates]:
        """The `count` most confident labels by the mean of the models, of the videos in `rows`, a block at a time."""
        for start in range(0, len(rows), BLOCK):
            chosen = rows[start : start + BLOCK]
            dense = np.zeros((len(self.tables), len(chosen), self.num_classes), np.float32)
            for scores, table in zip(dense, self.tables, strict=True):
                scores += table.top_confidences[chosen, -1:] / 2
                np.put_along_axis(scores, table.top_labels[chosen], table.top_confidences[chosen], axis=1)
            labels, mean = top_k(dense.mean(axis=0), count)
            members = np.take_along_axis(dense, np.broadcast_to(labels, (len(dense), *labels.shape)), axis=2)
            yield Candidates(chosen, labels, members, mean)


def true_candidates(table: Predictions, block: Candidates) -> np.ndarray:
    """Which candidates are true labels of their videos in the table: bool [n, C]."""
    truth = np.zeros((len(block.rows), int(table.metadata["num_classes"])), np.bool_)
    for place, row in enumerate(block.rows.tolist()):
        truth[place, table.labels[table.bounds[row] : table.bounds[row + 1]]] = True
    return np.take_along_axis(truth, block.labels, axis=1)


def read_members(paths: Sequence[StrPath], least: int) -> Members:
    """Read tables and see that they belong together.

    Args:
        paths: predictions files, each of another model.
        least: labels a video that each must hold (or all classes).

    Raises:
        InputError: a wrong file, other videos, classes or true labels than the first, a model twice, or too few labels.
    """
    names = [os.fspath(path) for path in paths]
    tables = [read_predictions(path) for path in paths]
    first = tables[0]
    for name, table in zip(names, tables, strict=True):
        width, classes = table.top_labels.shape[1], int(table.metadata["num_classes"])
        if width < min(least, classes):
            raise InputError(f"{name}: it holds the top {width} labels of a video, {least} are needed; predict with "
                             f"--top {max(100, least)}")  # fmt: skip
        if "reranker" in table.metadata:
            raise InputError(f"{name}: these predictions are re-ranked already; give those of the models themselves")
        if not len(table):
            raise InputError(f"{name}: holds no videos; predict an index that has some")
    aligned = [_aligned(table, name, first, names[0]) for name, table in zip(names[1:], tables[1:], strict=True)]
    members = Members(names, [first, *aligned])
    for place, identity in enumerate(members.identities):
        if identity in members.identities[:place]:
            raise InputError(f"{names[place]}: the model {members.names[place]} is given twice; give each once")
    return members


def _aligned(table: Predictions, name: str, first: Predictions, first_name: str) -> Predictions:
    try:
        table = matched(first, table)
    except InputError as error:
        raise InputError(f"{name}, beside {first_name}: {error}") from error
    if not np.array_equal(table.labels, first.labels):
        raise InputError(f"{name}: lists true labels in another order than {first_name}; predict the same index")
    return table
