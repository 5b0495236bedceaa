"""Killed before each of its operations on files, a training or a prediction that is run again ends undisturbed.

Of a training, what tells the time is not compared (`timing.csv`, the page, TensorBoard's files, the seconds in
`model.json`), nor two files of the SavedModel: `fingerprint.pb` is numbered by chance, and `saved_model.pb` names and
orders its functions by how many the process had traced before. Its variables and the weights are compared.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fault_points import Tree, Warm, kill_before_each_operation

CLASSES = 40
BY_CHANCE = ("timing.csv", "training.html", "fingerprint.pb", "saved_model.pb")
MODULES = ["yt8m.prediction.predict", "yt8m.training.trainer", "yt8m.training.export", "yt8m.commands.train",
           "yt8m.commands.predict"]  # fmt: skip


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm(*MODULES) as process:
        yield process


def train_command(files: Any, preset: Path, folder: Path) -> list[str]:
    return ["train", str(files.training_set), "--validation", str(files.validation), "--preset", str(preset),
            f"--num-classes={CLASSES}", "--checkpoint-minutes=0", "--set=epochs=1", "--set=validate_every=1",
            "--set=saved_model=true", "-o", str(folder / "out")]  # fmt: skip


def without_times(found: Tree) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, content in found.items():
        if name.endswith("model.json") and isinstance(content, bytes):
            manifest = json.loads(content)
            manifest["training"] = {key: value for key, value in manifest["training"].items() if "second" not in key}
            manifest["files"] = [entry for entry in manifest["files"] if Path(entry["file"]).name not in BY_CHANCE]
            kept[name] = manifest
        elif not name.startswith("out/logs/") and Path(name).name not in BY_CHANCE:
            kept[name] = content
    return kept


def test_train(warm: Warm, frame_files: Any, presets: Any, tmp_path: Path) -> None:
    """Two steps of NetVLAD with a checkpoint after each, exported with its SavedModel."""
    operations = kill_before_each_operation(
        warm, lambda folder: train_command(frame_files, presets["netvlad"], folder), tmp_path,
        growing=("out/history.csv", "out/checkpoint/*", "out/logs/*"), same=without_times, torn=False,
    )  # fmt: skip
    assert any(line.startswith("rename") and "/model" in line for line in operations)


def test_predict(warm: Warm, frame_files: Any, presets: Any, tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    (trained / "in").mkdir(parents=True)
    made = warm.run(train_command(frame_files, presets["netvlad"], trained / "in"), trained)
    assert made.status == 0, made.output
    index = str(frame_files.validation)
    kill_before_each_operation(
        warm,
        lambda folder: ["predict", str(trained / "in" / "out" / "model"), index, "-o", str(folder / "out.parquet")],
        tmp_path / "place",
    )
