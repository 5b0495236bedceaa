"""The run of a training: its phases in order, from the start or from a checkpoint."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from yt8m import models
from yt8m.errors import InputError
from yt8m.loader import FrameSampling, KnownRecords, Staging, Verify, training_batches
from yt8m.models import losses
from yt8m.prediction.predict import load_model
from yt8m.progress import log
from yt8m.training import schedules
from yt8m.training.checkpoint import Checkpoints
from yt8m.training.engines import Learner, Replicas, find_replicas
from yt8m.training.feed import Feed
from yt8m.training.interruption import Interruption
from yt8m.training.job import Job
from yt8m.training.optimizer import ShiftedSchedule, make_optimizer
from yt8m.training.phase_loop import CURVE_POINTS, PhaseLoop, TrainingContext
from yt8m.training.plan import PhasePlan, origin, scheduled_steps
from yt8m.training.reporter import PageWriter, Reporter
from yt8m.training.running_gap import RunningGap
from yt8m.training.start import inherit_weights, set_batch_norm_momentum, start, synchronize_batch_norm
from yt8m.training.state import State
from yt8m.training.validation import Validator
from yt8m.training.variables import copy_variables, restore_learner, restore_model, take_average

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclass(frozen=True)
class Outcome:
    """A finished training.

    Attributes:
        model: with the weights to be exported.
        row: of the history, at which it had them.
        state: at the end.
        replicas: how many it ran on, at the end.
    """

    model: keras.Model
    row: dict[str, Any]
    state: State
    replicas: int = 1


class Trainer:
    """Trains the model of a job.

    Args:
        job: what to do.
        folder: of history, timing, page and logs.
        checkpoints: where the run is kept; their lease is held.
        interruption: the signal to stop.
        replicas: how many devices; None for all visible GPUs.
        source: where the training shards lie, if not where the training set says.
        validation_source: the same for the validation shards.
        checkpoint_seconds: at least this long between two checkpoints within a phase.
        staging: how shards on gs:// are staged.
        verify: when the checksums of records are computed; see `KnownRecords`.
        write_page: of the training's page, if one is wanted.
    """

    def __init__(
        self,
        job: Job,
        folder: Path,
        checkpoints: Checkpoints,
        interruption: Interruption,
        *,
        replicas: int | None,
        source: str | None,
        validation_source: str | None,
        checkpoint_seconds: float,
        staging: Staging,
        verify: Verify,
        write_page: PageWriter | None,
    ):
        self._job, self._folder, self._checkpoints, self._source = job, folder, checkpoints, source
        self._checkpoint_seconds, self._started = checkpoint_seconds, time.monotonic()
        self._staging, self._interruption, self._write_page = staging, interruption, write_page
        self._known = KnownRecords(job.training_set.index, verify)
        preset = job.preset
        self._replicas = find_replicas(preset["engine"], replicas, preset["shard_state"])
        _check_batch_size(preset["batch_size"], self._replicas.count)
        self._learner = _make_learner(job, self._replicas)
        self._validator = Validator(
            job.validation,
            job.sample,
            FrameSampling(**preset["frames"]["predict"]),
            num_classes=job.num_classes,
            batch_size=_validation_batch(preset["batch_size"], len(job.sample), self._replicas.count),
            source=validation_source,
            staging=staging,
            verify=verify,
            check=interruption.check,
        )
        for plan in job.plans:
            self._schedule(plan, [0] * plan.number)  # a wrong setting shows before the first step, not after a phase

    def run(self) -> Outcome:
        """Train to the end of the last phase; returns what is to be exported.

        Raises:
            InputError: a bad record, a loss that is not finite, or a checkpoint of another training.
            Interrupted: by a signal; a checkpoint was written.
        """
        saved = self._checkpoints.load()
        state, arrays = saved or (State(), {})
        running_gap = RunningGap(self._job.preset["batch_size"])
        running_gap.restore(arrays)
        before = state.seconds
        if saved:
            log(f"training continues at step {state.total_steps:,}, after {before:.0f} s")
        else:
            self._begin()
        context = TrainingContext(
            folder=self._folder,
            learner=self._learner,
            state=state,
            running_gap=running_gap,
            validator=self._validator,
            checkpoints=self._checkpoints,
            reporter=Reporter(self._folder, state, _subject(self._job, self._replicas.count), self._write_page),
            interruption=self._interruption,
            checkpoint_seconds=self._checkpoint_seconds,
            keep_best=self._job.export == "best",
            curve_every=math.ceil(sum(plan.steps for plan in self._job.plans) / CURVE_POINTS),
            clock=lambda: before + time.monotonic() - self._started,
        )
        for plan in self._job.plans[state.phase :]:
            self._run_phase(context, plan, arrays)
            arrays = {}
        state.seconds = context.clock()
        context.reporter.close(state)
        return self._outcome(state)

    def _begin(self) -> None:
        """Give the model the weights that it starts from."""
        if self._job.initial:
            inherit_weights(self._learner.model, self._job.initial.path)
        else:
            start(self._learner.model, self._job, self._source, self._staging)

    def _run_phase(self, context: TrainingContext, plan: PhasePlan, arrays: dict[str, Any]) -> None:
        """One phase, from the state's step to its end; `arrays` are those of a checkpoint within it."""
        state = context.state
        schedule = self._prepare(plan, state.ended)
        if arrays:
            restore_learner(self._learner, arrays)
        loop = PhaseLoop(context, plan, schedule)
        loop.begin()
        if not loop.finished:
            self._feed(loop, plan, state)
        gaps = ", ".join(f"{gap:.4f}" for gap in state.epoch_gaps)
        log(f"training, {plan.name}: {plan.epochs_at(state.step):.2f} epochs; training GAP of each whole one: {gaps}")
        state.next_phase()

    def _feed(self, loop: PhaseLoop, plan: PhasePlan, state: State) -> None:
        teacher = self._job.teacher
        targets = teacher.targets if teacher and teacher.predictions else None
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
            known=self._known,
        )
        with batches, Feed(batches, self._replicas, targets) as feed:
            loop.run(feed, batches)

    def _prepare(self, plan: PhasePlan, ended: list[int]) -> Any:
        """Give the learner the optimizer of a phase; returns its learning rate, of optimizer steps."""
        before = self._learner.optimizer
        schedule = self._schedule(plan, ended)
        with self._replicas.scope():
            optimizer = make_optimizer(
                self._replicas.Adam, self._job.preset["optimizer"], schedule, self._job.preset["ema"]
            )
            optimizer.build(self._learner.model.trainable_variables)
        if before is not None and "optimizer" not in self._job.training_set.phases[plan.number].restart:
            copy_variables(before, optimizer)
        self._learner.use(optimizer)
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
        if state.best is None:
            take_average(self._learner)
        else:
            restore_model(self._learner.model, self._checkpoints.load_best(state.best["file"]))
            row = next(row for row in state.rows if row["step"] == state.best["step"])
        return Outcome(self._learner.model, row, state, self._replicas.count)


def _make_learner(job: Job, replicas: Replicas) -> Learner:
    """The job's model with random weights, its loss and its teacher, on the replicas."""
    preset, teacher, distillation = job.preset, None, None
    with replicas.scope():
        model = _make_model(job, replicas)
        if job.teacher and job.teacher.predictions is None:
            teacher = load_model(job.teacher.path).model
    if job.teacher:
        settings = dict(preset["distillation"])
        weight = float(settings.pop("weight"))
        distillation = losses.create("distillation", **settings), weight
    return replicas.learner(model, losses.create(**preset["loss"]), distillation=distillation, teacher=teacher)


def _make_model(job: Job, replicas: Replicas) -> keras.Model:
    """The job's model with random weights."""
    preset = job.preset
    model = models.create(
        preset["model"]["name"],
        job.num_classes,
        level=preset["level"],
        dtype=POLICIES[preset["precision"]],
        seed=job.seed,
        **{key: value for key, value in preset["model"].items() if key != "name"},
    )
    if preset["batch_norm_momentum"] is not None:
        set_batch_norm_momentum(model, preset["batch_norm_momentum"])
    if replicas.count > 1 and not replicas.whole_batch and preset["sync_batch_norm"]:
        synchronize_batch_norm(model, replicas.count)
    elif replicas.count > 1 and replicas.whole_batch and not preset["sync_batch_norm"]:
        log(f"engine {preset['engine']} takes batch norm's statistics over all replicas, as sync_batch_norm: true asks")
    return model


def _check_batch_size(batch_size: int, replicas: int) -> None:
    """Raise InputError unless a batch can be cut into equal parts."""
    if batch_size % replicas:
        raise InputError(
            f"batch_size {batch_size} cannot be cut into equal parts for {replicas} replicas; choose a multiple "
            f"with --set batch_size=..., or --replicas 1"
        )


def _validation_batch(batch_size: int, videos: int, replicas: int) -> int:
    """Videos that are judged at a time: a batch, or less when there are fewer; a multiple of the replicas."""
    return math.ceil(min(batch_size, videos) / replicas) * replicas


def _subject(job: Job, replicas: int) -> dict[str, Any]:
    """What the page of the training says about it."""
    preset = job.preset
    settings = ", ".join(f"{key} {value}" for key, value in preset["model"].items() if key != "name")
    facts = {
        "Model": f"{preset['model']['name']} ({settings})" if settings else preset["model"]["name"],
        "Examples an epoch": ", ".join(f"{plan.name} {plan.size:,}" for plan in job.plans),
        "Batch": f"{preset['batch_size']} on {replicas} device{'s' if replicas > 1 else ''}, {preset['precision']}",
        "Validation videos": f"{len(job.sample):,}, at the end of a phase {len(job.validation):,}",
        "Training set": job.training_set.fingerprint(),
        "Validation index": job.validation_fingerprint,
        "Seed": str(job.seed),
    }
    return {"title": f"Training of {preset['name']}", "facts": facts, "simulated": job.training_set.index.simulated}
