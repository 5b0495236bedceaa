"""When a phase of the training validates, ends its epochs and ends itself, in steps; arithmetic only."""

import math
from dataclasses import dataclass
from typing import Any

from yt8m.data.rebalance.training_set import TrainingSet, Until

ROUNDING = 1e-9  # 0.1 * 3 epochs must not become one step more than 0.3 epochs


@dataclass(frozen=True)
class PhasePlan:
    """A phase in steps; step s is the one after which s batches of the phase have been read.

    Attributes:
        number: of the phase, from 0.
        name: what reports call it.
        size: examples in an epoch.
        batch_size: examples a step.
        epochs: the most epochs it takes.
        until: its own rule to end earlier.
        validate_every: epochs between two validations.
    """

    number: int
    name: str
    size: int
    batch_size: int
    epochs: float
    until: Until
    validate_every: float

    def step_at(self, epochs: float) -> int:
        """The first step at which so many epochs have been read."""
        return max(1, math.ceil(epochs * self.size / self.batch_size - ROUNDING))

    def epochs_at(self, step: int) -> float:
        """Epochs that have been read after a step."""
        return step * self.batch_size / self.size

    @property
    def steps(self) -> int:
        """The most steps that the phase takes."""
        return self.step_at(self.epochs)

    def ends_epoch(self, step: int) -> bool:
        """Whether a whole number of epochs is complete at this step and was not before it."""
        return self._reaches_multiple(step, 1.0)

    def validates(self, step: int) -> bool:
        """Whether a validation is due after this step: every `validate_every` epochs, and at the end."""
        return step >= self.steps or self._reaches_multiple(step, self.validate_every)

    def _reaches_multiple(self, step: int, epochs: float) -> bool:
        multiple = math.floor(self.epochs_at(step) / epochs + ROUNDING)
        return multiple >= 1 and self.step_at(multiple * epochs) == step


def plan_phases(training_set: TrainingSet, preset: dict[str, Any]) -> list[PhasePlan]:
    """The plan of each phase; the preset's epochs hold where the recipe leaves the end open."""
    return [
        PhasePlan(
            number=number,
            name=phase.name,
            size=training_set.phase_size(number),
            batch_size=preset["batch_size"],
            epochs=phase.until.epochs or phase.until.max_epochs or preset["epochs"],
            until=phase.until,
            validate_every=preset["validate_every"],
        )
        for number, phase in enumerate(training_set.phases)
    ]


def origin(training_set: TrainingSet, phase: int, part: str, ended: list[int]) -> int:
    """The step of the whole training at which a part (`schedule` or `optimizer`) of a phase was started.

    Args:
        training_set: its phases say what each restarts.
        phase: the number of the phase.
        part: what is asked about.
        ended: the steps that each finished phase took.
    """
    first = max(p for p in range(phase + 1) if p == 0 or part in training_set.phases[p].restart)
    return sum(ended[:first])


def scheduled_steps(training_set: TrainingSet, plans: list[PhasePlan], phase: int, ended: list[int]) -> int:
    """The most steps from the start of a phase's schedule to its end: until the next phase that restarts it."""
    last = phase
    while last + 1 < len(plans) and "schedule" not in training_set.phases[last + 1].restart:
        last += 1
    steps = [*ended[:phase], *(plan.steps for plan in plans[phase : last + 1])]
    return sum(steps) - origin(training_set, phase, "schedule", ended)
