import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from yt8m.errors import InputError
from yt8m.exported_model import find_model, read_manifest
from yt8m.rebalance.training_set import Phase, Until
from yt8m.training import checkpoint
from yt8m.training.train import train

CLASSES = 40  # as in conftest
LONG = {"epochs": 20, "validate_every": 4, "validation_videos": 16}


class Killed(Exception):
    """In the place of a kill."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """kill_at(n): the training dies right after its n-th checkpoint."""

    def arm(number: int) -> None:
        saves = 0
        save = checkpoint.Checkpoints.save

        def dying(self: checkpoint.Checkpoints, *args: Any) -> None:
            nonlocal saves
            save(self, *args)
            saves += 1
            if saves == number:
                monkeypatch.undo()
                raise Killed

        monkeypatch.setattr(checkpoint.Checkpoints, "save", dying)

    return arm


def run(files: Any, preset: Path, output: Path, **options: Any) -> dict[str, Any]:
    options = {"num_classes": CLASSES, "checkpoint_minutes": 0, **options}
    return train(files.training_set, files.validation, preset, output, **options)


def rows(output: Path) -> list[dict[str, str]]:
    with open(output / "history.csv") as file:
        return list(csv.DictReader(file))


def content(output: Path) -> tuple[bytes, str]:
    return (output / "model" / "model.weights.h5").read_bytes(), (output / "history.csv").read_text()


def test_it_learns_a_few_videos_by_heart(video_files: Any, presets: Any, tmp_path: Path) -> None:
    manifest = run(video_files, presets["logistic"], tmp_path, overrides={"epochs": 40, "validate_every": 10},
                   checkpoint_minutes=10)  # fmt: skip
    assert manifest["metrics"]["gap"] > 0.99
    history = rows(tmp_path)
    assert [row["epoch"] for row in history] == ["10", "20", "30", "40"]
    assert float(history[-1]["training_gap"]) > 0.9
    assert float(history[-1]["loss"]) < float(history[0]["loss"]) / 3


def test_the_folder_holds_what_the_manifest_says(video_files: Any, presets: Any, tmp_path: Path) -> None:
    manifest = run(video_files, presets["logistic"], tmp_path, seed=3)
    assert manifest == json.loads((tmp_path / "model" / "model.json").read_text()) == read_manifest(tmp_path)
    assert manifest["parameters"] == 1153 * CLASSES
    assert manifest["weights"]["bytes"] == (tmp_path / "model" / "model.weights.h5").stat().st_size
    assert manifest["training"]["steps"] == 8  # 2.5 epochs of 48 videos in batches of 16 are 7.5 steps
    assert {path.name for path in tmp_path.iterdir()} == {"model", "history.csv", "timing.csv", "training.html", "logs"}
    assert [row["step"] for row in rows(tmp_path)] == ["2", "3", "5", "6", "8"]
    best = max(rows(tmp_path), key=lambda row: float(row["validation_gap"]))
    assert manifest["metrics"]["gap"] == pytest.approx(float(best["validation_gap"]))
    assert manifest["training"]["exported_step"] == int(best["step"])


@pytest.fixture(scope="module")
def straight(frame_files: Any, presets: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of netvlad without a break."""
    output = tmp_path_factory.mktemp("straight")
    run(frame_files, presets["netvlad"], output, overrides=LONG, checkpoint_minutes=10)
    return output


def test_a_killed_training_continues_to_the_bit(
    frame_files: Any, presets: Any, tmp_path: Path, straight: Path, kill_at: Any
) -> None:
    """First kill -9, then an end right after a checkpoint; with dropout, drawn frames, batch norm and moments."""
    settings = [f"--set={key}={value}" for key, value in LONG.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "yt8m", "train", str(frame_files.training_set), "--validation",
         str(frame_files.validation), "--preset", str(presets["netvlad"]), f"--num-classes={CLASSES}",
         "--checkpoint-minutes=0", *settings, "-o", str(tmp_path)],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    pointer = tmp_path / "checkpoint" / "checkpoint.json"
    while not pointer.exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    steps = read_manifest(straight)["training"]["steps"]
    done = json.loads(pointer.read_text())["state"]["step"]
    assert done < steps - 2
    with pytest.raises(InputError, match=r"no model\.json"):
        find_model(tmp_path)

    kill_at((steps - done) // 2)
    with pytest.raises(Killed):
        run(frame_files, presets["netvlad"], tmp_path, overrides=LONG)
    assert not (tmp_path / "model").exists()
    run(frame_files, presets["netvlad"], tmp_path, overrides=LONG)
    assert content(tmp_path) == content(straight)
    assert not (tmp_path / "checkpoint").exists()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    video_files: Any, presets: Any, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(video_files, presets["logistic"], tmp_path / name, seed=seed, checkpoint_minutes=10, export="last")
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a")[0] != content(tmp_path / "c")[0]


def test_a_finished_training_is_not_repeated(
    video_files: Any, presets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(video_files, presets["logistic"], tmp_path)
    before = content(tmp_path)
    monkeypatch.setattr("yt8m.training.trainer.Trainer", None)
    assert run(video_files, presets["logistic"], tmp_path) == first
    assert content(tmp_path) == before
    with pytest.raises(InputError, match=r"another training is there \(preset\.epochs is 2\.5 there and 3 here\)"):
        run(video_files, presets["logistic"], tmp_path, overrides={"epochs": 3})
    with pytest.raises(InputError, match="seed is 0 there and 1 here"):
        run(video_files, presets["logistic"], tmp_path, seed=1)


def test_a_checkpoint_of_another_training_is_refused_by_name(
    video_files: Any, presets: Any, tmp_path: Path, kill_at: Any
) -> None:
    kill_at(2)
    with pytest.raises(Killed):
        run(video_files, presets["logistic"], tmp_path / "run")
    with pytest.raises(InputError, match=r"checkpoint\.json: .*preset\.schedule\.base is 0\.05 there and 0\.1 here"):
        run(video_files, presets["logistic"], tmp_path / "run", overrides={"schedule.base": 0.1})
    other = video_files.with_phases(tmp_path / "other.parquet", Phase(), Phase())
    with pytest.raises(InputError, match="training_set is "):
        run(other, presets["logistic"], tmp_path / "run")


def test_phases_run_in_order_each_with_its_schedule(video_files: Any, presets: Any, tmp_path: Path) -> None:
    """Three epochs of 48 videos, then two of 48 others; the learning rate falls by a tenth an epoch."""
    phases = (Phase("first", until=Until(epochs=3)), Phase("second", until=Until(epochs=2)))
    options: dict[str, Any] = {"overrides": {"validate_every": 1}, "checkpoint_minutes": 10}
    files = video_files.with_phases(tmp_path / "restart.parquet", *phases)
    run(files, presets["logistic"], tmp_path / "restart", **options)
    restarted = rows(tmp_path / "restart")
    assert [row["phase"] for row in restarted] == ["first"] * 3 + ["second"] * 2
    assert [row["step"] for row in restarted] == ["3", "6", "9", "12", "15"]
    rates = [float(row["learning_rate"]) for row in restarted]
    assert rates == pytest.approx([0.05, 0.045, 0.0405, 0.05, 0.045], rel=1e-5)

    kept = (phases[0], Phase("second", until=Until(epochs=2), restart=()))
    files = video_files.with_phases(tmp_path / "kept.parquet", *kept)
    run(files, presets["logistic"], tmp_path / "kept", **options)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "kept")]
    assert rates == pytest.approx([0.05, 0.045, 0.0405, 0.03645, 0.032805], rel=1e-5)
    assert rows(tmp_path / "kept")[:3] == restarted[:3]
    assert rows(tmp_path / "kept")[4]["loss"] != restarted[4]["loss"]


@pytest.mark.parametrize("restart", [("schedule", "optimizer"), ()])
def test_a_kill_in_any_phase_changes_nothing(
    video_files: Any, presets: Any, tmp_path: Path, kill_at: Any, restart: tuple[str, ...]
) -> None:
    """The first phase ends at its training GAP, well before its limit; kills fall before and after its end."""
    phases = (
        Phase("first", until=Until(training_gap=0.6, max_epochs=10)),
        Phase("second", until=Until(epochs=2), restart=restart),
    )
    files = video_files.with_phases(tmp_path / "training_set.parquet", *phases)
    run(files, presets["logistic"], tmp_path / "straight", checkpoint_minutes=10)
    end = max(int(row["step"]) for row in rows(tmp_path / "straight") if row["phase"] == "first")
    assert end < 30
    for saves in (end - 1, 2):
        kill_at(saves)
        with pytest.raises(Killed):
            run(files, presets["logistic"], tmp_path / "killed")
    run(files, presets["logistic"], tmp_path / "killed")
    assert content(tmp_path / "killed") == content(tmp_path / "straight")


def test_a_phase_ends_when_its_training_gap_has_converged(video_files: Any, presets: Any, tmp_path: Path) -> None:
    phases = (Phase("first", until=Until(training_gap="converged", max_epochs=200)),)
    files = video_files.with_phases(tmp_path / "training_set.parquet", *phases)
    run(files, presets["logistic"], tmp_path / "run", overrides={"validate_every": 1}, checkpoint_minutes=10)
    gaps = [float(row["training_gap"]) for row in rows(tmp_path / "run")]
    assert 3 < len(gaps) < 200
    gains = [b - max(gaps[: i + 1]) for i, b in enumerate(gaps[1:])]
    assert gains[-1] < 0.001
    assert min(gains[:-1]) >= 0.001


def test_last_and_best_weights(video_files: Any, presets: Any, tmp_path: Path) -> None:
    """The second phase forgets the half of the videos that it does not see."""
    phases = (Phase(until=Until(epochs=3)), Phase(until=Until(epochs=6)))
    files = video_files.with_phases(tmp_path / "training_set.parquet", *phases)
    options = {"overrides": {"schedule.base": 3.0, "validate_every": 1}, "checkpoint_minutes": 10}
    best = run(files, presets["logistic"], tmp_path / "best", **options)
    last = run(files, presets["logistic"], tmp_path / "last", export="last", **options)
    gaps = [float(row["validation_gap"]) for row in rows(tmp_path / "best")]
    assert gaps[-1] < max(gaps) - 0.01
    assert best["metrics"]["gap"] == pytest.approx(max(gaps), rel=1e-6)
    assert last["metrics"]["gap"] == pytest.approx(gaps[-1], rel=1e-6)
    assert best["training"]["exported_step"] < last["training"]["exported_step"] == 27


def test_a_loss_that_is_not_finite_stops_with_step_and_quantity(frame_files: Any, presets: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        run(frame_files, presets["netvlad"], tmp_path, overrides={"schedule.base": 1e30, "epochs": 20})
    message = str(error.value)
    assert "\n" not in message
    assert any(name in message for name in ("the loss is", "the penalty is", "the model's validation is"))
    assert "at step" in message
    assert "schedule.base" in message
    assert not (tmp_path / "model").exists()


def test_a_bad_record_is_named_and_no_model_is_left(video_files: Any, presets: Any, tmp_path: Path) -> None:
    shard = video_files.validation.parent / "few.tfrecord"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "few.tfrecord").write_bytes(data)
    with pytest.raises(InputError, match=r"few\.tfrecord: record \d+ at byte"):
        run(video_files, presets["logistic"], tmp_path / "run", source=str(tmp_path))
    assert not (tmp_path / "run" / "model").exists()


def test_shards_that_were_moved_are_found_by_their_source(video_files: Any, presets: Any, tmp_path: Path) -> None:
    shard = video_files.validation.parent / "few.tfrecord"
    (tmp_path / "few.tfrecord").write_bytes(shard.read_bytes())
    options = {"source": str(tmp_path), "validation_source": str(tmp_path), "checkpoint_minutes": 10}
    assert run(video_files, presets["logistic"], tmp_path / "run", **options)["training"]["steps"] == 8
