"""The label vocabulary: index, training count, name and verticals of each label, from the official CSV."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.storage import StrPath, local_copy

NUM_CLASSES = 3862
"""Labels of the 2018 edition: what a model has where no vocabulary is given."""
COLUMNS = ("Index", "TrainVideoCount", "Name", "Vertical1")


@dataclass(frozen=True)
class Vocabulary:
    """The labels, by index.

    Attributes:
        names: the label's name; an unnamed one is called by its index.
        verticals: the label's first vertical, e.g. `Games`; empty when unknown.
        counts: int64, videos of the full train partition that carry the label.
    """

    names: list[str]
    verticals: list[str]
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def fingerprint(self) -> str:
        """Of names and counts."""
        return fingerprint([self.names, self.counts.tolist()])


def read_vocabulary(path: StrPath) -> Vocabulary:
    """Read the official `vocabulary.csv` (columns Index, TrainVideoCount, Name, Vertical1, ...).

    Raises:
        InputError: missing file, missing column, indices that are not 0, 1, 2, ..., or a count that is none.
    """
    remedy = "use the vocabulary.csv of the dataset"
    try:
        with local_copy(path, remedy) as file:
            table = pd.read_csv(file, keep_default_na=False, dtype={"TrainVideoCount": str})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:  # not UTF-8 is a ValueError, too
        raise InputError(f"{path}: not a CSV file ({error}); {remedy}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"{path}: column {missing[0]} is missing; {remedy}")
    table["Index"] = pd.to_numeric(table["Index"], errors="coerce")
    table = table.sort_values("Index", kind="stable")
    if not len(table) or table["Index"].tolist() != list(range(len(table))):
        raise InputError(f"{path}: the column Index is not 0, 1, 2, ... each once; {remedy}")
    counts = pd.to_numeric(table["TrainVideoCount"], errors="coerce")
    wrong = ~((counts >= 0) & (counts < 1 << 53) & (counts % 1 == 0))
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        found = table["TrainVideoCount"].iloc[row]
        raise InputError(
            f"{path}: TrainVideoCount of label {row} is {found!r}, a whole number is needed (0 if it is not "
            f"known); {remedy}"
        )
    names = [str(name) or f"label {index}" for index, name in enumerate(table["Name"])]
    return Vocabulary(names, [str(v) for v in table["Vertical1"]], counts.to_numpy(np.int64))


def classes_of(path: StrPath | None) -> tuple[int, str | None]:
    """How many classes a model of a vocabulary has, and the vocabulary's fingerprint; without one, the 2018 edition's.

    Raises:
        InputError: as `read_vocabulary`.
    """
    if not path:
        return NUM_CLASSES, None
    names = read_vocabulary(path)
    return len(names), names.fingerprint()
