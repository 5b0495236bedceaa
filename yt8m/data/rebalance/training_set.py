"""The training set: index rows with a repeat count in each phase of a training.

Nothing is copied to rebalance a dataset: a training set says which videos are read how often, in one or more phases.
The file holds the columns of the index, then `repeats_0`, `repeats_1`, ... (int32, one for each phase).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from yt8m.artifacts import fingerprint, fingerprint_bytes, read_table, write_table
from yt8m.data.records.video_index import VideoIndex
from yt8m.storage import StrPath

KIND = "training_set"
CONVERGED = "converged"
CONVERGED_GAIN = 0.001
RESTARTS = ("schedule", "optimizer")


@dataclass(frozen=True)
class Until:
    """When a phase ends; with neither `epochs` nor `training_gap` it is open, and the training preset decides.

    Attributes:
        epochs: passes over the phase's examples; 2.5 is two and a half.
        training_gap: a GAP to reach on the training examples of an epoch, or `converged`: the phase ends after the
            first epoch whose training GAP exceeds the best one before it by less than 0.001.
        max_epochs: the most epochs to spend on `training_gap`.
    """

    epochs: float | None = None
    training_gap: float | str | None = None
    max_epochs: float | None = None

    @property
    def open(self) -> bool:
        """Whether the training preset's epochs apply."""
        return self.epochs is None and self.training_gap is None

    def reached(self, epoch_gaps: Sequence[float]) -> bool:
        """Whether `training_gap` is met by the training GAPs of the phase's finished epochs, oldest first."""
        if self.training_gap is None or not epoch_gaps:
            return False
        if self.training_gap == CONVERGED:
            return len(epoch_gaps) > 1 and epoch_gaps[-1] - max(epoch_gaps[:-1]) < CONVERGED_GAIN
        return epoch_gaps[-1] >= float(self.training_gap)


@dataclass(frozen=True)
class Phase:
    """A part of a training with its own selection of videos.

    Attributes:
        name: what reports call it.
        select: the selection as the recipe has it: `all`, or a mapping.
        limit: the fraction or cap as the recipe has it, or None.
        repeat: the repeats as the recipe has them: a number, `occurrences`, a mapping, or a list of cases.
        until: when it ends.
        restart: what starts anew with it: `schedule` (the learning rate), `optimizer` (its moments), or neither.
    """

    name: str = "all"
    select: Any = "all"
    limit: dict[str, Any] | None = None
    repeat: Any = 1
    until: Until = field(default_factory=Until)
    restart: tuple[str, ...] = RESTARTS

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "restart": list(self.restart)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Phase":
        """The inverse of `to_json`."""
        return cls(**{**value, "until": Until(**value["until"]), "restart": tuple(value["restart"])})


@dataclass(frozen=True)
class TrainingSet:
    """A training set in memory.

    Attributes:
        index: the videos that some phase uses, in the order of the source index.
        repeats: int32 [phases, videos], how often an epoch of the phase reads each video.
        phases: in the order of the training.
        recipe: the recipe as it was written.
        index_fingerprint: of the whole source index.
        seed: of the recipe's random choices.
        extra: what else the metadata of the file holds, e.g. `excluded`.
    """

    index: VideoIndex
    repeats: np.ndarray
    phases: tuple[Phase, ...]
    recipe: dict[str, Any] = field(default_factory=dict)
    index_fingerprint: str = ""
    seed: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def phase_size(self, phase: int) -> int:
        """Examples in an epoch of a phase."""
        return int(self.repeats[phase].sum(dtype=np.int64))

    def fingerprint(self) -> str:
        """Of the videos, their repeats, and when each phase ends and what it restarts."""
        schedule = fingerprint([[asdict(phase.until), list(phase.restart)] for phase in self.phases])
        repeats = np.ascontiguousarray(self.repeats, np.int32).view(np.uint8)
        return fingerprint_bytes(self.index.fingerprint().encode(), schedule.encode(), repeats)

    def metadata(self) -> dict[str, Any]:
        """What the file's metadata holds beside the columns."""
        return {
            "fingerprint": self.fingerprint(),
            "index_fingerprint": self.index_fingerprint,
            "simulated": self.index.simulated,
            "index": self.index.metadata(),
            "phases": [phase.to_json() for phase in self.phases],
            "recipe": self.recipe,
            "seed": self.seed,
            **self.extra,
        }


def write_training_set(path: StrPath, training_set: TrainingSet) -> None:
    """Write a training set, atomically; same content, same bytes."""
    repeats = {f"repeats_{p}": pa.array(row.astype(np.int32)) for p, row in enumerate(training_set.repeats)}
    write_table(path, pa.table({**training_set.index.columns(), **repeats}), KIND, training_set.metadata())


def read_training_set(path: StrPath) -> TrainingSet:
    """Read a training set; raises InputError when it is missing or something else."""
    table, metadata = read_table(path, KIND)
    phases = tuple(Phase.from_json(value) for value in metadata["phases"])
    known = {"kind", "fingerprint", "index_fingerprint", "simulated", "index", "phases", "recipe", "seed"}
    repeats = [table[f"repeats_{p}"].to_numpy().astype(np.int32, copy=False) for p in range(len(phases))]
    return TrainingSet(
        index=VideoIndex.from_table(table, metadata["index"]),
        repeats=np.stack(repeats),
        phases=phases,
        recipe=metadata["recipe"],
        index_fingerprint=metadata["index_fingerprint"],
        seed=metadata["seed"],
        extra={key: value for key, value in metadata.items() if key not in known},
    )
