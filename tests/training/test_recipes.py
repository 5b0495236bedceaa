"""The paper's two-phase recipes on real videos, with its stopping rules; and its learning rates, from its presets."""

from pathlib import Path
from typing import Any

import pytest

from yt8m.data.rebalance.build import build_training_set
from yt8m.data.rebalance.training_set import Until, read_training_set
from yt8m.data.records.build import build_index
from yt8m.presets import load_preset
from yt8m.training import schedules
from yt8m.training.plan import PhasePlan
from yt8m.training.train import train

pytestmark = pytest.mark.usefixtures("plain_steps")

SAMPLE = Path(__file__).parents[2] / "sample"
SETTINGS = {"batch_size": 64, "epochs": 1.5, "validate_every": 0.5, "validation_videos": 100, "saved_model": False}


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Real video-level records: three shards of the sample to train, one to validate."""
    folder = tmp_path_factory.mktemp("indexes")
    shards = [str(SAMPLE / "train" / f"validate000{number}.tfrecord") for number in range(3)]
    build_index(shards, folder / "train.parquet")
    build_index([str(SAMPLE / "validate" / "validate0050.tfrecord")], folder / "validate.parquet")
    return {name: folder / f"{name}.parquet" for name in ("train", "validate")}


@pytest.mark.parametrize("recipe", ["rare-then-all", "all-then-rare"])
def test_both_phases_run_with_the_papers_stopping_rules(
    indexes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    gaps: list[float] = []
    reached = Until.reached

    def watched(self: Until, epoch_gaps: Any) -> bool:
        if self.training_gap == "converged":
            gaps[:] = max(gaps, list(epoch_gaps), key=len)
        return reached(self, epoch_gaps)

    monkeypatch.setattr(Until, "reached", watched)
    build_training_set(indexes["train"], recipe, tmp_path / "set.parquet")
    records: list[dict[str, Any]] = []
    train(tmp_path / "set.parquet", indexes["validate"], "logistic", tmp_path / "run",
          overrides={**SETTINGS, "schedule": {"name": "paper"}},
          write_page=lambda folder, record: records.append(record))  # fmt: skip
    sizes = {phase.name: read_training_set(tmp_path / "set.parquet").phase_size(number)
             for number, phase in enumerate(read_training_set(tmp_path / "set.parquet").phases)}  # fmt: skip
    rows = records[-1]["rows"]
    last = {row["phase"]: row for row in rows}
    assert list(last) == {"rare-then-all": ["rare", "all"], "all-then-rare": ["all", "rare"]}[recipe]
    assert last["all"]["epoch"] == pytest.approx(1.5 if recipe == "rare-then-all" else 2.5, abs=64 / sizes["all"])
    assert all(row["all_gap"] is not None for row in last.values())

    epochs = round(last["rare"]["epoch"])
    assert len(gaps) == epochs
    assert 2 <= epochs <= 10
    gains = [gap - max(gaps[:number]) for number, gap in enumerate(gaps) if number]
    assert min(gains[:-1], default=1.0) >= 0.001
    assert gains[-1] < 0.001 or epochs == 10

    start, steps = 0, {row["phase"]: row["step"] for row in rows}
    for phase, end in steps.items():
        points = [point for point in records[-1]["curve"] if start < point[0] <= end]
        assert len(points) >= 9
        for step, _, rate in points:
            stair = (step - 1 - start) * 64 * 10 // sizes[phase]
            assert rate == pytest.approx(0.01 * 0.8**stair, rel=1e-5)
        start = end


@pytest.mark.parametrize(
    ("preset", "rates"),
    [
        ("paper-baseline-schedule", (1.0e-3, 1.0e-3, 9.5e-4, 9.03e-4, 9.03e-4)),
        ("paper-netvlad", (3.28e-3, 1.342e-3, 1.0737e-3, 1.15e-4, 3.78e-5)),
        ("paper-netfv", (3.28e-3, 1.342e-3, 1.0737e-3, 1.15e-4, 3.78e-5)),
    ],
)
def test_the_papers_learning_rates(preset: str, rates: tuple[float, ...]) -> None:
    """At 0.5 epoch, just before 1.0, at 1.0, 2.0 and 2.5 epochs of 4.0 million examples."""
    settings = load_preset(preset)
    plan = PhasePlan(0, "all", 4_000_000, settings["batch_size"], settings["epochs"], Until(), 0.1)
    assert (plan.batch_size, plan.steps) == (160, 62_500)
    schedule = schedules.create(
        **settings["schedule"], batch_size=160, epoch_examples=plan.size, total_examples=plan.steps * 160
    )
    steps = [plan.step_at(0.5), plan.step_at(1.0) - 1, plan.step_at(1.0), plan.step_at(2.0), plan.step_at(2.5)]
    assert [float(schedule(step)) for step in steps] == pytest.approx(list(rates), rel=5e-3)
