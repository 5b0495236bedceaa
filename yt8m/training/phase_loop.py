"""One phase of a training: feeds the steps, counts, watches, validates, records, saves, and says when to stop."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yt8m.errors import InputError, Interrupted
from yt8m.loader import Batches
from yt8m.training.checkpoint import Checkpoints
from yt8m.training.engines import Learner
from yt8m.training.feed import Feed
from yt8m.training.interruption import Interruption
from yt8m.training.plan import PhasePlan
from yt8m.training.reporter import Meter, Reporter
from yt8m.training.running_gap import RunningGap
from yt8m.training.state import State
from yt8m.training.validation import METRICS, Validator
from yt8m.training.variables import averaged, learner_arrays, model_arrays, not_finite

CHECK_STEPS = 20  # losses are fetched from the device in groups, so that steps need not wait for the host
STEPS_AHEAD = 2
"""Steps that the host may be ahead of the device: enough for the device never to wait for the host. Further ahead, the
host would wait for input while the device still works, and call that waiting for input."""
CURVE_POINTS = 400


@dataclass(frozen=True)
class TrainingContext:
    """What every phase of a training works with.

    Attributes:
        folder: of history, timing, page and logs.
        learner, state, running_gap: what learns, and what has happened so far.
        validator, checkpoints, reporter, interruption: see there.
        checkpoint_seconds: at least this long between two checkpoints within a phase.
        keep_best: whether the weights of the best validation are wanted.
        curve_every: steps between two points of the curve.
        clock: seconds of the whole training so far.
    """

    folder: Path
    learner: Learner
    state: State
    running_gap: RunningGap
    validator: Validator
    checkpoints: Checkpoints
    reporter: Reporter
    interruption: Interruption
    checkpoint_seconds: float
    keep_best: bool
    curve_every: int
    clock: Callable[[], float]


class PhaseLoop:
    """Runs one phase, from whatever step it starts at to its end.

    Args:
        context: what it works with; the state's step is where the phase starts.
        plan: of the phase.
        schedule: the learning rate, of the optimizer's steps.
    """

    def __init__(self, context: TrainingContext, plan: PhasePlan, schedule: Callable[[Any], Any]):
        self._context, self._plan, self._state, self._schedule = context, plan, context.state, schedule
        self._pending: list[tuple[Any, Any]] = []
        self._last_save = time.monotonic()
        assert context.learner.optimizer is not None
        self._ahead = int(context.learner.optimizer.iterations) - context.state.step  # of the phase's steps
        self._meter = Meter(plan.batch_size, context.state.step)

    @property
    def finished(self) -> bool:
        """Whether the phase is over at the state's step: a checkpoint can be of the very end."""
        step, plan = self._state.step, self._plan
        return step >= plan.steps or (plan.ends_epoch(step) and plan.until.reached(self._state.epoch_gaps))

    def begin(self) -> None:
        """Forget what other phases have seen; make up for a validation that a signal broke off after a checkpoint."""
        if self._state.step == 0:
            self._context.running_gap.clear()
        self._guarded(self._validate_if_due)

    def run(self, feed: Feed, batches: Batches) -> None:
        """Learn from the data of a feed, which reads from these batches, until the phase is over.

        Raises:
            InputError: a bad record, or a loss that is not finite.
            Interrupted: by a signal; a checkpoint was written.
        """
        self._meter.start(feed, batches)
        self._context.reporter.begin(self._plan, self._state.step, batches.memory_bytes)
        try:
            self._guarded(lambda: self._steps(feed))
        finally:
            self._context.reporter.end()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Work that a signal may break off; a checkpoint is then written."""
        try:
            work()
        except Interrupted as stopped:
            self._save()
            raise Interrupted(f"{stopped}; a checkpoint of step {self._state.total_steps} is written") from None

    def _steps(self, feed: Iterable[Any]) -> None:
        for data in feed:
            self._after_step(self._context.learner.step(data))
            if self.finished:
                return
            self._context.interruption.check()

    def _after_step(self, logs: dict[str, Any]) -> None:
        self._state.step += 1
        step, plan = self._state.step, self._plan
        self._pending.append((logs["loss"], logs["penalty"]))
        if len(self._pending) > STEPS_AHEAD:
            np.asarray(self._pending[-1 - STEPS_AHEAD][0])  # waits until that step is done
        self._context.running_gap.add(logs["confidences"], logs["hits"], logs["positives"])
        is_first = self._meter.is_first(step)
        if len(self._pending) >= CHECK_STEPS or plan.validates(step) or plan.ends_epoch(step) or is_first:
            self._check_losses()
        if is_first:
            self._meter.first_step_done()
        if plan.ends_epoch(step):
            self._state.epoch_gaps.append(self._context.running_gap.gap(plan.size))  # of this epoch, if it is short
        self._validate_if_due()
        if time.monotonic() - self._last_save >= self._context.checkpoint_seconds:
            self._save()
        self._context.reporter.advance(step, self._context.running_gap.gap, self._meter.waiting_share())

    def _check_losses(self) -> None:
        """Fetch the losses since the last check; stop at one that is not finite."""
        first = self._state.step - len(self._pending) + 1
        for step, (loss, penalty) in enumerate(self._pending, first):
            values = {"loss": float(loss), "penalty": float(penalty)}
            for name, value in values.items():
                if not math.isfinite(value):
                    self._diverged(name, value, step)
            self._state.add_losses(**values)
            self._context.reporter.loss = values["loss"]
            total = sum(self._state.ended) + step
            if total % self._context.curve_every == 0 or self._plan.steps == step:
                self._state.add_point(total, self._learning_rate(step))
        self._pending.clear()

    def _diverged(self, name: str, value: float, step: int) -> None:
        """Stop with the steps and the quantity."""
        broken = not_finite(self._context.learner.model)
        now = f"; not finite since: {broken[0]} and {len(broken) - 1} more variables" if broken else ""
        raise InputError(
            f"training, {self._plan.name}: the {name} is {value} at step {step} of {self._plan.steps} "
            f"(checked at step {self._state.step}{now}); lower the learning rate ({self._learning_rate(step):g} now), "
            "for example --set schedule.base=..., or clip gradients with --set optimizer.clipnorm=1"
        )

    def _validate_if_due(self) -> None:
        state, plan = self._state, self._plan
        due = state.step > 0 and (plan.validates(state.step) or self.finished)
        if due and not (state.rows and state.rows[-1]["step"] == state.total_steps):
            self._validate()

    def _validate(self) -> None:
        state, context = self._state, self._context
        pace, started = self._meter.read(state.step), time.monotonic()
        with averaged(context.learner):
            row = self._row(*self._judge())
            self._keep_if_best(row)
        seconds = time.monotonic() - started
        state.rows.append(row)
        state.timing.append({"step": row["step"], **self._shares(seconds), **pace})
        context.reporter.show(state)
        self._meter.resume(state.step, time.monotonic() - started)

    def _shares(self, validation_seconds: float) -> dict[str, float]:
        """Of the whole time so far, and what validations take of it."""
        spent = self._context.clock()
        validating = sum(row["validation_seconds"] for row in self._state.timing) + validation_seconds
        return {
            "seconds": spent,
            "validation_seconds": validation_seconds,
            "validation_share": validating / max(spent, 1e-9),
        }

    def _judge(self) -> tuple[dict[str, float], dict[str, float]]:
        """Metrics on the sample, and at the end of the phase on all validation videos."""
        try:
            if self.finished:
                return self._context.validator.judge_all(self._context.learner)
            return self._context.validator.judge(self._context.learner), {}
        except InputError:
            if not_finite(self._context.learner.model):
                self._diverged("model's validation", math.nan, self._state.step)
            raise

    def _row(self, measured: dict[str, float], on_all: dict[str, float]) -> dict[str, Any]:
        state, plan = self._state, self._plan
        loss, penalty = state.take_losses()
        return {
            "phase": plan.name,
            "step": state.total_steps,
            "epoch": plan.epochs_at(state.step),
            "examples": state.total_steps * plan.batch_size,
            "learning_rate": self._learning_rate(state.step),
            "loss": loss,
            "penalty": penalty,
            "training_gap": self._context.running_gap.gap(),
            **{f"validation_{name}": measured[name] for name in METRICS},
            **{f"all_{name}": on_all.get(name) for name in METRICS},
        }

    def _keep_if_best(self, row: dict[str, Any]) -> None:
        state, gap = self._state, row["validation_gap"]
        if self._context.keep_best and (state.best is None or gap > state.best["gap"]):
            file = self._context.checkpoints.save_best(row["step"], model_arrays(self._context.learner.model))
            state.best = {"gap": gap, "step": row["step"], "file": file}

    def _save(self) -> None:
        if self._pending:
            self._check_losses()
        self._state.seconds = self._context.clock()
        arrays = {**learner_arrays(self._context.learner), **self._context.running_gap.arrays()}
        self._context.checkpoints.save(self._state, arrays)
        self._last_save = time.monotonic()

    def _learning_rate(self, step: int) -> float:
        """That a step of the phase was taken with."""
        return float(self._schedule(self._ahead + step - 1))
