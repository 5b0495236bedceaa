import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.data.rebalance.training_set import Phase, TrainingSet, Until
from yt8m.data.records.video_index import VideoIndex
from yt8m.training.plan import PhasePlan, origin, plan_phases, scheduled_steps


def plan(size: int, batch_size: int, epochs: float, validate_every: float = 1.0) -> PhasePlan:
    return PhasePlan(0, "all", size, batch_size, epochs, Until(), validate_every)


def training_set(*phases: Phase, size: int = 100) -> TrainingSet:
    numbers, none = np.zeros(size, np.int32), np.zeros(size + 1, np.int64)
    ids = np.array([f"{i:04d}".encode() for i in range(size)])
    index = VideoIndex(ids, numbers, numbers.astype(np.int64), numbers, numbers, numbers[:0], none)
    return TrainingSet(index, np.ones((len(phases), size), np.int32), phases)


def test_two_and_a_half_epochs_of_the_paper() -> None:
    paper = plan(4_000_000, 160, 2.5, 0.1)
    assert paper.steps == 62_500
    validations = [step for step in range(1, paper.steps + 1) if paper.validates(step)]
    assert validations == list(range(2500, 62_501, 2500))
    assert [step for step in range(1, paper.steps + 1) if paper.ends_epoch(step)] == [25_000, 50_000]


@given(st.integers(1, 3000), st.integers(1, 200), st.floats(0.1, 6.0), st.sampled_from([0.1, 0.3, 0.5, 1.0, 2.0]))
def test_steps_cover_the_epochs_and_no_more(size: int, batch_size: int, epochs: float, every: float) -> None:
    p = plan(size, batch_size, epochs, every)
    assert p.epochs_at(p.steps) >= epochs - 1e-6
    assert p.steps == 1 or p.epochs_at(p.steps - 1) < epochs
    ends = [step for step in range(1, p.steps + 1) if p.ends_epoch(step)]
    assert ends == sorted({p.step_at(e) for e in range(1, int(p.epochs_at(p.steps) + 1e-9) + 1)})
    assert p.validates(p.steps)


def test_phases_take_their_epochs_from_the_recipe_or_the_preset() -> None:
    phases = (Phase(until=Until(epochs=2.5)), Phase(until=Until(training_gap=0.9, max_epochs=7)), Phase())
    plans = plan_phases(training_set(*phases), {"batch_size": 10, "epochs": 4, "validate_every": 1})
    assert [p.epochs for p in plans] == [2.5, 7, 4]
    assert [p.steps for p in plans] == [25, 70, 40]


@pytest.mark.parametrize(
    ("restart", "schedule_origin", "optimizer_origin", "scheduled"),
    [
        (("schedule", "optimizer"), 12, 12, [20, 20]),
        (("schedule",), 12, 0, [20, 20]),
        (("optimizer",), 0, 12, [40, 32]),
        ((), 0, 0, [40, 32]),
    ],
)
def test_what_a_phase_restarts(
    restart: tuple[str, ...], schedule_origin: int, optimizer_origin: int, scheduled: list[int]
) -> None:
    """The first phase was planned for 20 steps and took 12; the second may take 20."""
    examples = training_set(Phase(), Phase(restart=restart))
    plans = plan_phases(examples, {"batch_size": 10, "epochs": 2, "validate_every": 1})
    assert origin(examples, 1, "schedule", [12]) == schedule_origin
    assert origin(examples, 1, "optimizer", [12]) == optimizer_origin
    assert [scheduled_steps(examples, plans, 0, []), scheduled_steps(examples, plans, 1, [12])] == scheduled
