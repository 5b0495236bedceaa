"""What a training shows of itself while it runs: the progress line, history and timing, TensorBoard, and its page.

It writes `history.csv`, `timing.csv` and TensorBoard scalars. `history.csv` depends on the configuration alone, so two
runs of one configuration can be compared byte by byte; whatever depends on the machine is in `timing.csv`. The columns
`validation_*` are of the fixed sample of the selection half, which picks the best step, `all_*` of all validation
videos, which are judged at the end of a phase.
"""

import csv
import io
import math
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from yt8m.data.records.tfrecord import frame_record
from yt8m.data.records.wire import delimited, varint
from yt8m.loader import Batches
from yt8m.progress import Progress, log
from yt8m.storage import naming, write_text
from yt8m.training.feed import Feed
from yt8m.training.plan import PhasePlan
from yt8m.training.state import State

LOGS = "logs"
NOTE_SECONDS = 5.0  # the training GAP takes a moment to compute
FIRST_LINE_SECONDS = 2.0
PAGE_SECONDS = 120.0

PageWriter = Callable[[Path, dict[str, Any]], None]
"""Writes the page of a training into its folder; what it is given is said in `Reporter`."""


class Reporter:
    """Shows a training.

    Args:
        folder: of history, timing, page and logs.
        state: what has happened so far.
        subject: what is trained, for the page: `title`, `facts` (name -> text), `simulated`.
        write_page: given the folder, and the subject together with `rows`, `timing` and `curve`; None for no page.

    Attributes:
        loss: of the last step that was looked at.
    """

    def __init__(self, folder: Path, state: State, subject: dict[str, Any], write_page: PageWriter | None):
        self._folder, self._subject, self._write_page = folder, subject, write_page
        self._scalars = Scalars(folder / LOGS, state.rows, state.timing)
        self._progress: Progress | None = None
        self._note, self._noted, self._drawn = "", -math.inf, time.monotonic()
        self.loss = math.nan

    def begin(self, plan: PhasePlan, step: int, memory_bytes: int) -> None:
        """A phase goes on at a step, with batches that take so much memory."""
        self._plan, self._begun = plan, time.monotonic()
        log(f"training, {plan.name}: {plan.steps - step:,} steps of {plan.batch_size} examples, read ahead into "
            f"{memory_bytes / 1e6:,.0f} MB of memory; the first one compiles")  # fmt: skip

    def advance(self, step: int, gap: Callable[[], float], waiting: float) -> None:
        """A step is done; the rate is measured from the end of the first one, for compiling says nothing about it."""
        plan, now = self._plan, time.monotonic()
        is_first = self._progress is None
        if now - self._noted >= NOTE_SECONDS or is_first:
            self._noted = now
            self._note = f"loss {self.loss:.3f}, GAP {gap():.4f}, {waiting:.1%} waiting"
        if self._progress is None:
            log(f"training, {plan.name}: step {step:,} of {plan.steps:,} took {now - self._begun:.1f} s, {self._note}")
            remaining = (plan.steps - step) * plan.batch_size
            title = f"training, {plan.name}"
            self._progress = Progress(title, remaining, "examples", first_line=FIRST_LINE_SECONDS)
        self._progress.advance(0 if is_first else plan.batch_size, self._note)

    def end(self) -> None:
        """The phase is over, or was broken off."""
        if self._progress:
            self._progress.__exit__()
            self._progress = None

    def show(self, state: State) -> None:
        """A validation is done: write the files, and the page if it is old."""
        write_history(self._folder, state.rows, state.timing)
        self._scalars.write(state.rows[-1], state.timing[-1])
        if time.monotonic() - self._drawn >= PAGE_SECONDS:
            self._draw(state)

    def close(self, state: State) -> None:
        """The training is over."""
        self._scalars.close()
        write_history(self._folder, state.rows, state.timing)
        self._draw(state)

    def _draw(self, state: State) -> None:
        if self._write_page:
            story = {"rows": state.rows, "timing": state.timing, "curve": state.curve}
            self._write_page(self._folder, {**self._subject, **story})
        self._drawn = time.monotonic()


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


EVENT_TIME, EVENT_STEP, VALUE_NUMBER = (varint(field << 3 | kind) for field, kind in ((1, 1), (2, 0), (2, 5)))
"""The tags of a double, an integer and a float."""
EVENT_VERSION, EVENT_SUMMARY, SUMMARY_VALUE, VALUE_TAG = 3, 5, 1, 1


class Scalars:
    """TensorBoard scalars of a training.

    The event file is written as the TFRecord of `Event` messages that it is: TensorFlow's own summary functions need
    TensorBoard installed, which belongs on the machine of whoever looks, and not every engine brings TensorFlow.

    Reference: tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto

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
        with naming(self._path):
            self._file = open(self._path, "wb")  # noqa: SIM115
        self._put(delimited(EVENT_VERSION, b"brain.Event:2"))
        for row, times in zip(rows, timing, strict=True) if is_new else ():
            self.write(row, times)

    def write(self, row: dict[str, Any], timing: dict[str, Any]) -> None:
        """The numbers of one validation."""
        values = {name: row[name] for name in SCALARS} | {name: timing[name] for name in TIMING_SCALARS}
        summary = [
            delimited(SUMMARY_VALUE, delimited(VALUE_TAG, name.encode()), VALUE_NUMBER + struct.pack("<f", value))
            for name, value in values.items()
            if value is not None
        ]
        self._put(EVENT_STEP + varint(row["step"]) + delimited(EVENT_SUMMARY, *summary))

    def close(self) -> None:
        """Finish the event file."""
        with naming(self._path):
            self._file.close()

    def _put(self, content: bytes) -> None:
        with naming(self._path):
            self._file.write(frame_record(EVENT_TIME + struct.pack("<d", time.time()) + content))
            self._file.flush()


class Meter:
    """Measures a phase: throughput, time spent waiting for input, bytes over the network.

    The first step after `start` compiles, and is left out.

    Args:
        batch_size: examples a step.
        step: of the phase, at which it starts.
    """

    def __init__(self, batch_size: int, step: int):
        self._batch_size, self._first = batch_size, step + 1
        self._feed: Feed | None = None
        self._batches: Batches | None = None
        self._begun = self._marked = self._reading(step)
        self._idle = 0.0

    def start(self, feed: Feed, batches: Batches) -> None:
        """Begin, with what the data come from."""
        self._feed, self._batches = feed, batches
        self._begun = self._marked = self._reading(self._first - 1)

    def is_first(self, step: int) -> bool:
        """Whether this step is the first one since the start."""
        return step == self._first

    def first_step_done(self) -> None:
        """Begin anew after the first step; what came over the network before it counts."""
        self._begun = self._marked = np.append(self._reading(self._first)[:3], self._marked[3])

    def read(self, step: int) -> dict[str, Any]:
        """The stretch that ends with a step."""
        seconds, steps, waited, moved = self._reading(step) - self._marked
        return {
            "examples_per_second": float(steps * self._batch_size / max(seconds, 1e-9)),
            "waited_seconds": float(waited),
            "waiting_share": float(waited / max(seconds, 1e-9)),
            "network_bytes": int(moved),
        }

    def resume(self, step: int, idle: float) -> None:
        """Begin the next stretch after a validation, which took so many seconds."""
        self._idle += idle
        self._marked = self._reading(step)

    def waiting_share(self) -> float:
        """Of the time since the first step, validations left out."""
        seconds, _, waited, _ = self._reading(0) - self._begun
        return float(waited / max(seconds - self._idle, 1e-9))

    def _reading(self, step: int) -> np.ndarray:
        waited = self._feed.waited_seconds if self._feed else 0.0
        moved = self._batches.network_bytes if self._batches else 0
        return np.array([time.monotonic(), step, waited, moved], np.float64)
