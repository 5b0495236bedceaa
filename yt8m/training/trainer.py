"""The run of a training: its phases in order, from the start or from a checkpoint."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from yt8m import losses, models, schedules
from yt8m.loader import FrameSampling, Staging, training_batches
from yt8m.progress import log
from yt8m.training.checkpoint import Checkpoints
from yt8m.training.feed import Feed
from yt8m.training.history import Scalars, write_history
from yt8m.training.job import Job
from yt8m.training.learner import Learner, ShiftedSchedule, make_optimizer
from yt8m.training.plan import PhasePlan, origin, scheduled_steps
from yt8m.training.recent import RecentExamples
from yt8m.training.start import set_batch_norm_momentum, start
from yt8m.training.state import State
from yt8m.training.supervisor import Desk, Supervisor
from yt8m.training.validation import Validator
from yt8m.training.variables import copy_variables, restore_learner, restore_model

LOGS = "logs"


@dataclass(frozen=True)
class Outcome:
    """A finished training.

    Attributes:
        model: with the weights to be exported.
        row: of the history, at which it had them.
        state: at the end.
    """

    model: keras.Model
    row: dict[str, Any]
    state: State


class Trainer:
    """Trains the model of a job.

    Args:
        job: what to do.
        folder: of history, timing and logs.
        checkpoints: where the run is kept.
        source: where the training shards lie, if not where the training set says.
        validation_source: the same for the validation shards.
        checkpoint_seconds: at least this long between two checkpoints within a phase.
        staging: how shards on gs:// are staged.
    """

    def __init__(
        self,
        job: Job,
        folder: Path,
        checkpoints: Checkpoints,
        *,
        source: str | None,
        validation_source: str | None,
        checkpoint_seconds: float,
        staging: Staging,
    ):
        self._job, self._folder, self._checkpoints, self._source = job, folder, checkpoints, source
        self._checkpoint_seconds, self._started = checkpoint_seconds, time.monotonic()
        self._staging = staging
        preset = job.preset
        self._model = _make_model(job)
        self._learner = Learner(self._model, losses.create(**preset["loss"]))
        self._validator = Validator(
            job.validation,
            FrameSampling(**preset["frames"]["predict"]),
            num_classes=job.num_classes,
            batch_size=min(preset["batch_size"], len(job.validation)),
            source=validation_source,
            staging=staging,
        )
        for plan in job.plans:
            self._schedule(plan, [0] * plan.number)  # a wrong setting shows before the first step, not after a phase

    def run(self) -> Outcome:
        """Train to the end of the last phase; returns what is to be exported.

        Raises:
            InputError: a bad record, a loss that is not finite, or a checkpoint of another training.
        """
        saved = self._checkpoints.load()
        state, arrays = saved or (State(), {})
        recent = RecentExamples(self._job.preset["batch_size"])
        recent.restore(arrays)
        before = state.seconds
        if not saved:
            start(self._model, self._job, self._source, self._staging)
        else:
            log(f"training continues at step {state.total_steps:,}, after {before:.0f} s")
        desk = Desk(
            folder=self._folder,
            state=state,
            recent=recent,
            validator=self._validator,
            checkpoints=self._checkpoints,
            scalars=Scalars(self._folder / LOGS),
            checkpoint_seconds=self._checkpoint_seconds,
            keep_best=self._job.export == "best",
            clock=lambda: before + time.monotonic() - self._started,
        )
        for plan in self._job.plans[state.phase :]:
            self._run_phase(desk, plan, arrays)
            arrays = {}
        desk.scalars.close()
        state.seconds = desk.clock()
        write_history(self._folder, state.rows, state.timing)
        return self._outcome(state)

    def _run_phase(self, desk: Desk, plan: PhasePlan, arrays: dict[str, Any]) -> None:
        """One phase, from the state's step to its end; `arrays` are those of a checkpoint within it."""
        state = desk.state
        schedule = self._compile(plan, state.ended)
        if arrays:
            restore_learner(self._learner, arrays)
        supervisor = Supervisor(desk, plan, schedule)
        if not supervisor.finished:
            self._fit(supervisor, plan, state)
        state.next_phase()

    def _fit(self, supervisor: Supervisor, plan: PhasePlan, state: State) -> None:
        batches = training_batches(
            self._job.training_set,
            plan.number,
            batch_size=plan.batch_size,
            sampling=FrameSampling(**self._job.preset["frames"]["train"]),
            seed=self._job.seed,
            start=state.step,
            stop=plan.steps,
            num_classes=self._job.num_classes,
            source=self._source,
            staging=self._staging,
        )
        with batches:
            supervisor.batches = batches
            feed = Feed(batches)
            try:
                self._learner.fit(feed.dataset, epochs=1, shuffle=False, verbose=0, callbacks=[supervisor])
            except Exception:
                if feed.error:
                    raise feed.error from None
                raise
            finally:
                supervisor.close()

    def _compile(self, plan: PhasePlan, ended: list[int]) -> Any:
        """Give the learner the optimizer of a phase; returns its learning rate, of optimizer steps."""
        before = self._learner.optimizer if self._learner.compiled else None
        schedule = self._schedule(plan, ended)
        optimizer = make_optimizer(self._job.preset["optimizer"], schedule)
        optimizer.build(self._model.trainable_variables)
        if before is not None and "optimizer" not in self._job.training_set.phases[plan.number].restart:
            copy_variables(before, optimizer)
        self._learner.compile(optimizer=optimizer, jit_compile=True)
        return schedule

    def _schedule(self, plan: PhasePlan, ended: list[int]) -> Any:
        """The learning rate of a phase, of the optimizer's steps.

        A schedule's epoch is that of the phase that started it.
        """
        training_set, plans = self._job.training_set, self._job.plans
        started = [origin(training_set, plan.number, part, ended) for part in ("schedule", "optimizer")]
        owner = max(p for p in range(plan.number + 1) if p == 0 or "schedule" in training_set.phases[p].restart)
        schedule = schedules.create(
            **self._job.preset["schedule"],
            batch_size=plan.batch_size,
            epoch_examples=plans[owner].size,
            total_examples=scheduled_steps(training_set, plans, plan.number, ended) * plan.batch_size,
        )
        return ShiftedSchedule(schedule, started[1] - started[0])

    def _outcome(self, state: State) -> Outcome:
        row = state.rows[-1]
        if state.best is not None:
            restore_model(self._model, self._checkpoints.load_best(state.best["file"]))
            row = next(row for row in state.rows if row["step"] == state.best["step"])
        return Outcome(self._model, row, state)


def _make_model(job: Job) -> keras.Model:
    """The job's model with random weights."""
    preset = job.preset
    keras.utils.set_random_seed(job.seed)
    settings = {key: value for key, value in preset["model"].items() if key != "name"}
    model = models.create(preset["model"]["name"], job.num_classes, level=preset["level"], **settings)
    if preset["batch_norm_momentum"] is not None:
        set_batch_norm_momentum(model, preset["batch_norm_momentum"])
    return model
