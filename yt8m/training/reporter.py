"""What a training shows of itself while it runs: the progress line, history and timing, TensorBoard, and its page."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yt8m.progress import Progress, log
from yt8m.training.history import Scalars, write_history
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

    def begin(self, plan: PhasePlan, step: int) -> None:
        """A phase goes on at a step."""
        self._plan, self._begun = plan, time.monotonic()
        log(f"training, {plan.name}: {plan.steps - step:,} steps of {plan.batch_size} examples; the first one compiles")

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
