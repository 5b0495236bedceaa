"""What a training writes about itself: `history.csv`, `timing.csv`, and TensorBoard scalars.

`history.csv` depends on the configuration alone, so two runs of one configuration can be compared byte by byte;
whatever depends on the machine is in `timing.csv`.
"""

import csv
import io
import os
import socket
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from yt8m.storage import write_text

COLUMNS = (
    "phase", "step", "epoch", "examples", "learning_rate", "loss", "penalty", "training_gap", "validation_gap",
    "validation_hit_at_1", "validation_perr", "validation_map",
)  # fmt: skip
SCALARS = COLUMNS[COLUMNS.index("learning_rate") :]
TIMING_COLUMNS = (
    "step", "seconds", "examples_per_second", "validation_seconds", "waited_seconds", "network_bytes",
)  # fmt: skip


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
    return f"{value:.7g}" if isinstance(value, float) else str(value)


class Scalars:
    """TensorBoard scalars of a training.

    The event file is written as the TFRecord of `Event` messages that it is: TensorFlow's own summary functions need
    TensorBoard installed, which belongs on the machine of whoever looks.

    Args:
        folder: of the event files; a resumed training adds one more.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 10**9}.{socket.gethostname()}.{os.getpid()}"
        self._writer = tf.io.TFRecordWriter(str(folder / name))
        self._put(file_version="brain.Event:2")

    def write(self, row: dict[str, Any], timing: dict[str, Any]) -> None:
        """The numbers of one validation."""
        values = {name: row[name] for name in SCALARS} | {"examples_per_second": timing["examples_per_second"]}
        summary = tf.compat.v1.Summary()
        for name, value in values.items():
            summary.value.add(tag=name, simple_value=value)
        self._put(step=row["step"], summary=summary)
        self._writer.flush()

    def close(self) -> None:
        """Finish the event file."""
        self._writer.close()

    def _put(self, **content: Any) -> None:
        self._writer.write(tf.compat.v1.Event(wall_time=time.time(), **content).SerializeToString())
