"""What has happened in a training so far, beside the values of its variables; all of it JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class State:
    """The position of a training and its records; a checkpoint holds it.

    Attributes:
        phase: the number of the phase that runs, from 0.
        step: steps done in it.
        ended: the steps that each finished phase took.
        epoch_gaps: the training GAP at the end of each finished epoch of this phase.
        rows: of the history, one a validation.
        timing: seconds and throughput, one a validation.
        loss_sum, penalty_sum, loss_steps: losses since the last row.
        curve: `[step, loss, learning rate]` at even distances, the loss as the mean since the point before.
        curve_sum, curve_steps: losses since the last point.
        best: `{gap, step, file}` of the best validation, once there is one.
        seconds: spent so far, over all runs.
    """

    phase: int = 0
    step: int = 0
    ended: list[int] = field(default_factory=list)
    epoch_gaps: list[float] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    timing: list[dict[str, Any]] = field(default_factory=list)
    loss_sum: float = 0.0
    penalty_sum: float = 0.0
    loss_steps: int = 0
    curve: list[list[float]] = field(default_factory=list)
    curve_sum: float = 0.0
    curve_steps: int = 0
    best: dict[str, Any] | None = None
    seconds: float = 0.0

    @property
    def total_steps(self) -> int:
        """Steps done in all phases."""
        return sum(self.ended) + self.step

    def add_losses(self, loss: float, penalty: float) -> None:
        """Count the losses of one step."""
        self.loss_sum += loss
        self.penalty_sum += penalty
        self.loss_steps += 1
        self.curve_sum += loss
        self.curve_steps += 1

    def add_point(self, step: int, learning_rate: float) -> None:
        """End a stretch of the curve at a step, counted over all phases."""
        self.curve.append([step, self.curve_sum / max(self.curve_steps, 1), learning_rate])
        self.curve_sum, self.curve_steps = 0.0, 0

    def take_losses(self) -> tuple[float, float]:
        """The mean loss and penalty since they were last taken."""
        steps = max(self.loss_steps, 1)
        means = self.loss_sum / steps, self.penalty_sum / steps
        self.loss_sum = self.penalty_sum = 0.0
        self.loss_steps = 0
        return means

    def next_phase(self) -> None:
        """Note the end of the phase."""
        self.ended.append(self.step)
        self.phase, self.step, self.epoch_gaps = self.phase + 1, 0, []

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)
