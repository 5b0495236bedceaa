"""What a training writes about itself: `history.csv`, `timing.csv`, and TensorBoard scalars.

`history.csv` depends on the configuration alone, so two runs of one configuration can be compared byte by byte;
whatever depends on the machine is in `timing.csv`. The columns `validation_*` are of the fixed sample of the selection
half, which picks the best step, `all_*` of all validation videos, which are judged at the end of a phase.
"""

import csv
import io
import os
import socket
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from yt8m.storage import naming, write_text

COLUMNS = (
    "phase", "step", "epoch", "examples", "learning_rate", "loss", "penalty", "training_gap", "validation_gap",
    "validation_hit_at_1", "validation_perr", "validation_map", "all_gap", "all_hit_at_1", "all_perr", "all_map",
)  # fmt: skip
SCALARS = COLUMNS[COLUMNS.index("learning_rate") :]
TIMING_COLUMNS = (
    "step", "seconds", "examples_per_second", "validation_seconds", "validation_share", "waited_seconds",
    "waiting_share", "network_bytes",
)  # fmt: skip
TIMING_SCALARS = ("examples_per_second", "waiting_share", "validation_share")


def write_history(folder: Path, rows: list[dict[str, Any]], timing: list[dict[str, Any]]) -> None:
    """Write both files, whole."""
    write_text(folder / "history.csv", to_csv(COLUMNS, rows))
    write_text(folder / "timing.csv", to_csv(TIMING_COLUMNS, timing))


def to_csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    """A CSV text; floats with 7 significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_format(row[name]) for name in columns] for row in rows)
    return text.getvalue()


def _format(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) else "" if value is None else str(value)


class Scalars:
    """TensorBoard scalars of a training.

    The event file is written as the TFRecord of `Event` messages that it is: TensorFlow's own summary functions need
    TensorBoard installed, which belongs on the machine of whoever looks.

    Args:
        folder: of the event files; a resumed training adds one more. One that is resumed where there are none (on
            another machine) begins with all that went before.
        rows, timing: of the history so far.
    """

    def __init__(self, folder: Path, rows: list[dict[str, Any]], timing: list[dict[str, Any]]):
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not any(folder.iterdir())
        name = f"events.out.tfevents.{time.time_ns() // 10**9}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name
        self._writer = tf.io.TFRecordWriter(str(self._path))
        self._put(file_version="brain.Event:2")
        for row, times in zip(rows, timing, strict=True) if is_new else ():
            self.write(row, times)

    def write(self, row: dict[str, Any], timing: dict[str, Any]) -> None:
        """The numbers of one validation."""
        values = {name: row[name] for name in SCALARS} | {name: timing[name] for name in TIMING_SCALARS}
        summary = tf.compat.v1.Summary()
        for name, value in values.items():
            if value is not None:
                summary.value.add(tag=name, simple_value=value)
        self._put(step=row["step"], summary=summary)
        with naming(self._path):
            self._writer.flush()

    def close(self) -> None:
        """Finish the event file."""
        with naming(self._path):
            self._writer.close()

    def _put(self, **content: Any) -> None:
        with naming(self._path):
            self._writer.write(tf.compat.v1.Event(wall_time=time.time(), **content).SerializeToString())
