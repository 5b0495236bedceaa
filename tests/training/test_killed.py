"""Interrupted in every way, a training continues to the bit: kill -9, SIGTERM, and an end within any validation."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.forks import Fork, Forks
from yt8m import storage
from yt8m.errors import InputError, Interrupted
from yt8m.registry.manifest import find_model
from yt8m.training.checkpoint import Checkpoints
from yt8m.training.interruption import Interruption
from yt8m.training.train import train

pytestmark = pytest.mark.usefixtures("plain_steps")

CLASSES, STEPS = 40, 60
LONG = {"epochs": 20, "validate_every": 4, "validation_videos": 16}  # 60 steps of 16 of 48 videos
ALL_OPTIONS = {"epochs": 4, "validate_every": 0.5, "precision": "bfloat16", "ema": 0.9, "validation_videos": 16,
               "saved_model": True}  # fmt: skip


def run(files: Any, preset: Path, output: Path, **options: Any) -> dict[str, Any]:
    options = {"num_classes": CLASSES, "checkpoint_minutes": 0, **options}
    return train(files.training_set, files.validation, preset, output, **options)


def start(forks: Forks, files: Any, preset: Path, output: Path, minutes: float, **more: Any) -> Fork:
    """Begin a training of the settings `LONG` and some more."""
    settings = [f"--set={key}={value}" for key, value in {**LONG, **more}.items()]
    return forks.start([
        "train", files.training_set, "--validation", files.validation, "--preset", preset, f"--num-classes={CLASSES}",
        f"--checkpoint-minutes={minutes}", *settings, "-o", output,
    ])  # fmt: skip


def stop_and_kill(forks: Forks, files: Any, preset: Path, output: Path, kills: int, **more: Any) -> None:
    """Begin a training and stop it by SIGTERM; then continue it and kill it, so many times, at random steps."""
    pointer = output / "checkpoint" / "checkpoint.json"
    process = start(forks, files, preset, output, minutes=10, **more)
    process.wait_until(lambda: "step 1 of 60" in process.stderr)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75, process.stderr
    assert "stopped by SIGTERM; a checkpoint of step" in process.stderr.splitlines()[-1]
    assert "run the same command again" in process.stderr.splitlines()[-1]
    assert "Ctrl-C again" not in process.stderr

    generator = random.Random(1)
    first = step_of(pointer)
    assert 1 <= first < STEPS - kills - 1
    for step in sorted(generator.sample(range(first + 1, STEPS - 1), kills)):
        process = start(forks, files, preset, output, minutes=0, **more)
        process.wait_until(lambda step=step: step_of(pointer) >= step)
        time.sleep(generator.uniform(0, 0.02))
        if process.kill() == 0:  # a busy machine let the test come too late
            break
        with pytest.raises(InputError, match=r"no model\.json"):
            find_model(output)


def step_of(pointer: Path) -> int:
    return int(json.loads(pointer.read_text())["state"]["step"]) if pointer.exists() else 0


def content(output: Path) -> tuple[bytes, str]:
    return (output / "model" / "model.weights.h5").read_bytes(), (output / "history.csv").read_text()


def last_arrays(output: Path) -> dict[str, np.ndarray]:
    """Weights, moments, step count, state of the draws and recent examples at the last step."""
    with np.load(next((output / "checkpoint").glob(f"state-{STEPS}-*.npz"))) as file:
        return dict(file)


def test_kill_minus_9_at_random_moments(
    forks: Forks, frame_files: Any, presets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:  # fmt: skip
    """A model with dropout and drawn frames, 60 steps; first SIGTERM, then kill -9, once (`--kills` / 8)."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    stop_and_kill(forks, frame_files, presets["mlp"], killed, max(pytestconfig.getoption("--kills") // 8, 1))
    monkeypatch.setattr(Checkpoints, "remove", lambda self: None)
    run(frame_files, presets["mlp"], killed, overrides=LONG)
    run(frame_files, presets["mlp"], straight, overrides=LONG)
    assert content(killed) == content(straight)
    ours, theirs = last_arrays(killed), last_arrays(straight)
    assert ours.keys() == theirs.keys()
    assert {"model/0", "optimizer/0", "recent/hits"} <= ours.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_an_end_within_a_validation_and_anywhere_else(
    frame_files: Any, presets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bfloat16, an average of the weights and a teacher; every fifth look for the signal finds it."""
    teacher = tmp_path / "teacher"
    run(frame_files, presets["mlp"], teacher, overrides={"epochs": 1, "validate_every": 1}, checkpoint_minutes=10)
    options: dict[str, Any] = {"overrides": ALL_OPTIONS, "teacher": teacher, "checkpoint_minutes": 10}
    run(frame_files, presets["mlp"], tmp_path / "straight", **options)
    calls = 0

    def check(self: Interruption) -> None:
        nonlocal calls
        calls += 1
        if calls % 5 == 0:
            raise Interrupted("the training was stopped by SIGTERM")

    monkeypatch.setattr(Interruption, "check", check)
    stops = []
    while not (tmp_path / "killed" / "model").exists():
        try:
            run(frame_files, presets["mlp"], tmp_path / "killed", **options)
        except Interrupted as stopped:
            stops.append(str(stopped))
    assert len(stops) >= 4
    assert all(stop.startswith("the training was stopped by SIGTERM; a checkpoint of step ") for stop in stops)
    assert content(tmp_path / "killed") == content(tmp_path / "straight")


def test_a_checkpoint_on_gs_is_continued_on_another_machine(
    gcs: Any, video_files: Any, presets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output folder is gone with the machine; history and events so far come back with the checkpoint."""
    options: dict[str, Any] = {"work_root": "gs://bucket/work"}
    run(video_files, presets["logistic"], tmp_path / "straight", checkpoint_minutes=10)
    saves, save = 0, Checkpoints.save

    def dying(self: Checkpoints, *arguments: Any) -> None:
        nonlocal saves
        save(self, *arguments)
        saves += 1
        if saves == 5:
            raise Interrupted("in the place of a kill")

    monkeypatch.setattr(Checkpoints, "save", dying)
    with pytest.raises(Interrupted):
        run(video_files, presets["logistic"], tmp_path / "first", **options)
    monkeypatch.setattr(Checkpoints, "save", save)
    kept = storage.list_tree("gs://bucket/work/checkpoints")
    assert len({name.split("/")[0] for name in kept}) == 1
    assert {name.split("/")[1].split("-")[0] for name in kept} == {"checkpoint.json", "state", "best"}
    run(video_files, presets["logistic"], tmp_path / "second", **options)
    assert content(tmp_path / "second") == content(tmp_path / "straight")
    assert not storage.list_tree("gs://bucket/work/checkpoints")
