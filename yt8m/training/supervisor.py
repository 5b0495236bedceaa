"""The one callback of a phase: counts, watches, validates, records, saves, and says when to stop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from yt8m.errors import InputError
from yt8m.loader import Batches
from yt8m.progress import Progress, log
from yt8m.training.checkpoint import Checkpoints
from yt8m.training.history import Scalars, write_history
from yt8m.training.learner import Learner
from yt8m.training.plan import PhasePlan
from yt8m.training.recent import RecentExamples
from yt8m.training.state import State
from yt8m.training.validation import Validator
from yt8m.training.variables import learner_arrays, model_arrays, not_finite

NOTE_SECONDS = 1.0
CHECK_STEPS = 20  # losses are fetched from the device in groups, so that steps need not wait for the host


@dataclass(frozen=True)
class Desk:
    """What the supervisor of every phase works with.

    Attributes:
        folder: of history, timing and logs.
        state, recent: what has happened so far.
        validator, checkpoints, scalars: see there.
        checkpoint_seconds: at least this long between two checkpoints within a phase.
        keep_best: whether the weights of the best validation are wanted.
        clock: seconds of the whole training so far.
    """

    folder: Path
    state: State
    recent: RecentExamples
    validator: Validator
    checkpoints: Checkpoints
    scalars: Scalars
    checkpoint_seconds: float
    keep_best: bool
    clock: Callable[[], float]


class Supervisor(keras.callbacks.Callback):
    """Watches one phase, from whatever step it starts at to its end.

    Args:
        desk: what it works with; the state's step is where the phase starts.
        plan: of the phase.
        schedule: the learning rate, of the optimizer's steps.

    Attributes:
        batches: that the phase is fed with; set before it runs.
    """

    batches: Batches

    def __init__(self, desk: Desk, plan: PhasePlan, schedule: Callable[[Any], Any]):
        super().__init__()
        self._desk, self._plan, self._state, self._schedule = desk, plan, desk.state, schedule
        self._pending: list[tuple[Any, Any]] = []
        self._note = ""
        self._last_save = self._last_row = time.monotonic()
        self._last_note = -math.inf
        self._first_step = self._last_row_step = self._state.step
        self._progress: Progress | None = None
        self._fed = np.zeros(2)

    @property
    def finished(self) -> bool:
        """Whether the phase is over at the state's step: a checkpoint can be of the very end."""
        step, plan = self._state.step, self._plan
        return step >= plan.steps or (plan.ends_epoch(step) and plan.until.reached(self._state.epoch_gaps))

    @property
    def learner(self) -> Learner:
        """The model of the `fit` that runs."""
        return self.model

    def on_train_begin(self, logs: Any = None) -> None:
        plan, remaining = self._plan, self._plan.steps - self._state.step
        log(f"training, {plan.name}: {remaining:,} steps of {plan.batch_size} examples; the first one compiles")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._state.step += 1
        step, plan = self._state.step, self._plan
        self._pending.append((logs["loss"], logs["penalty"]))
        self._desk.recent.add(logs["confidences"], logs["hits"], logs["positives"])
        if len(self._pending) >= CHECK_STEPS or plan.validates(step) or plan.ends_epoch(step) or self._is_first(step):
            self._check_losses()
        if plan.ends_epoch(step):
            self._state.epoch_gaps.append(self._desk.recent.gap())
        if plan.validates(step) or self.finished:
            self._validate()
        self.learner.stop_training = self.finished
        if time.monotonic() - self._last_save >= self._desk.checkpoint_seconds:
            self._save()
        self._advance()

    def _advance(self) -> None:
        """Show the progress; it starts with the end of the first step, for compiling says nothing about the rate."""
        if self._progress is None:
            remaining = self._plan.steps - self._state.step
            self._progress = Progress(f"training, {self._plan.name}", remaining * self._plan.batch_size, "examples")
            self._progress.advance(0, self._note)
        else:
            self._progress.advance(self._plan.batch_size, self._note)

    def on_train_end(self, logs: Any = None) -> None:
        self._close_progress()

    def close(self) -> None:
        """After an error, when `on_train_end` does not come."""
        self._close_progress()

    def _close_progress(self) -> None:
        if self._progress:
            self._progress.__exit__()
            self._progress = None

    def _is_first(self, step: int) -> bool:
        return step == self._first_step + 1

    def _check_losses(self) -> None:
        """Fetch the losses since the last check; stop at one that is not finite."""
        first = self._state.step - len(self._pending) + 1
        for number, (loss, penalty) in enumerate(self._pending):
            values = {"loss": float(loss), "penalty": float(penalty)}
            for name, value in values.items():
                if not math.isfinite(value):
                    self._diverged(name, value, first + number)
            self._state.add_losses(**values)
        self._pending.clear()
        if time.monotonic() - self._last_note >= NOTE_SECONDS:
            self._last_note = time.monotonic()
            self._note = f"loss {values['loss']:.3f}, GAP {self._desk.recent.gap():.4f}"

    def _diverged(self, name: str, value: float, step: int) -> None:
        """Stop with the steps and the quantity."""
        rate = self._learning_rate()
        broken = not_finite(self.learner.model)
        now = f"; not finite since: {broken[0]} and {len(broken) - 1} more variables" if broken else ""
        raise InputError(
            f"training, {self._plan.name}: the {name} is {value} at step {step} of {self._plan.steps} "
            f"(checked at step {self._state.step}{now}); lower the learning rate ({rate:g} now), "
            "for example --set schedule.base=..., or clip gradients with --set optimizer.clipnorm=1"
        )

    def _validate(self) -> None:
        state, desk = self._state, self._desk
        started = time.monotonic()
        measured = self._judge()
        now = time.monotonic()
        row = self._row(measured)
        seconds = max(started - self._last_row, 1e-9)
        timing = {
            "step": row["step"],
            "seconds": desk.clock(),
            "examples_per_second": (state.step - self._last_row_step) * self._plan.batch_size / seconds,
            "validation_seconds": now - started,
            **self._feeding(),
        }
        state.rows.append(row)
        state.timing.append(timing)
        self._keep_if_best(row)
        write_history(desk.folder, state.rows, state.timing)
        desk.scalars.write(row, timing)
        self._last_row, self._last_row_step = now, state.step

    def _feeding(self) -> dict[str, float]:
        """How long the training has waited for batches since the last row, and what came over the network for them."""
        fed = np.array([self.batches.waited_seconds, self.batches.network_bytes])
        waited, moved = fed - self._fed
        self._fed = fed
        return {"waited_seconds": float(waited), "network_bytes": int(moved)}

    def _judge(self) -> dict[str, float]:
        try:
            return self._desk.validator.judge(self.learner.model)
        except InputError:
            if not_finite(self.learner.model):
                self._diverged("model's validation", math.nan, self._state.step)
            raise

    def _row(self, measured: dict[str, float]) -> dict[str, Any]:
        state, plan = self._state, self._plan
        loss, penalty = state.take_losses()
        return {
            "phase": plan.name,
            "step": state.total_steps,
            "epoch": plan.epochs_at(state.step),
            "examples": state.total_steps * plan.batch_size,
            "learning_rate": self._learning_rate(),
            "loss": loss,
            "penalty": penalty,
            "training_gap": self._desk.recent.gap(),
            **{f"validation_{name}": value for name, value in measured.items()},
        }

    def _keep_if_best(self, row: dict[str, Any]) -> None:
        state, gap = self._state, row["validation_gap"]
        if self._desk.keep_best and (state.best is None or gap > state.best["gap"]):
            file = self._desk.checkpoints.save_best(row["step"], model_arrays(self.learner.model))
            state.best = {"gap": gap, "step": row["step"], "file": file}

    def _save(self) -> None:
        if self._pending:
            self._check_losses()
        self._state.seconds = self._desk.clock()
        self._desk.checkpoints.save(self._state, {**learner_arrays(self.learner), **self._desk.recent.arrays()})
        self._last_save = time.monotonic()

    def _learning_rate(self) -> float:
        """Of the last step that was taken."""
        return float(self._schedule(int(self.learner.optimizer.iterations) - 1))
