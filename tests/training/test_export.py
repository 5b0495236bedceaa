"""The written model: its files, its dtype, its limit of bytes, writing it again, and kills while it is written."""

import os
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.forks import Forks
from yt8m import models
from yt8m.errors import InputError
from yt8m.prediction.predict import load_model
from yt8m.presets import load_preset
from yt8m.quiet import engine_of_environment
from yt8m.registry.manifest import check_files, read_manifest
from yt8m.training import export
from yt8m.training.export import check_export
from yt8m.training.train import train

pytestmark = pytest.mark.usefixtures("plain_steps")

CLASSES = 40
SAVED = {"saved_model/fingerprint.pb", "saved_model/saved_model.pb", "saved_model/variables/variables.index",
         "saved_model/variables/variables.data-00000-of-00001"}  # fmt: skip


def run(files: Any, preset: Path, output: Path, **overrides: Any) -> dict[str, Any]:
    return train(files.training_set, files.validation, preset, output, num_classes=CLASSES,
                 overrides={"epochs": 1, "saved_model": True, **overrides})  # fmt: skip


def weights(folder: Path) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in load_model(folder).model.weights}


def test_the_manifest_lists_every_file(frame_files: Any, presets: Any, tmp_path: Path) -> None:
    manifest = run(frame_files, presets["mlp"], tmp_path)
    folder = tmp_path / "model"
    assert {entry["file"] for entry in manifest["files"]} == {"model.weights.h5", *SAVED}
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} == {
        "model.json", "model.weights.h5", *SAVED,
    }  # fmt: skip
    check_files(folder, manifest)
    for name in SAVED:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(InputError, match=f"{name}: CRC32C"):
            check_files(folder, manifest)
        (folder / name).write_bytes(content)


@pytest.mark.any_engine
def test_a_finished_model_is_written_again_as_asked(frame_files: Any, presets: Any, tmp_path: Path) -> None:
    """Float32 without a SavedModel, then float16 with one: the same training, its matrices rounded."""
    first = run(frame_files, presets["mlp"], tmp_path, saved_model=False)
    assert [entry["file"] for entry in first["files"]] == ["model.weights.h5"]
    wide, history = weights(tmp_path), (tmp_path / "history.csv").read_bytes()
    second = run(frame_files, presets["mlp"], tmp_path, export_dtype="float16")
    assert second == read_manifest(tmp_path)
    assert (tmp_path / "history.csv").read_bytes() == history
    assert second["fingerprint"] != first["fingerprint"]
    assert second["weights"]["dtype"] == "float16"
    assert second["weights"]["bytes"] < 0.7 * first["weights"]["bytes"]
    assert second["rounding"]["rounded"] + second["rounding"]["kept"] == second["parameters"]
    saved = SAVED if engine_of_environment() == "tensorflow" else set()
    assert {entry["file"] for entry in second["files"]} == {"model.weights.h5", *saved}
    for path, values in weights(tmp_path).items():
        assert values.dtype == np.float32
        expected = wide[path].astype(np.float16).astype(np.float32) if values.ndim > 1 else wide[path]
        np.testing.assert_array_equal(values, expected)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "history.csv", "timing.csv", "logs"}
    with pytest.raises(InputError, match=r"its weights were rounded to float16; .* train in another output folder"):
        run(frame_files, presets["mlp"], tmp_path)


def test_a_model_over_the_limit_is_refused_before_it_is_trained(video_files: Any, presets: Any, tmp_path: Path) -> None:
    size = 4 * 1153 * CLASSES
    with pytest.raises(InputError) as error:
        run(video_files, presets["logistic"], tmp_path / "a", max_model_bytes=size - 1)
    assert f"{size:,} bytes in float32, above the limit of {size - 1:,}; export in float16" in str(error.value)
    assert "--max-model-bytes" in str(error.value)
    assert not (tmp_path / "a").exists()
    options = {"export_dtype": "float16", "saved_model": False}
    with pytest.raises(InputError, match="in float16, above the limit of 1,000; make it smaller"):
        run(video_files, presets["logistic"], tmp_path / "a", max_model_bytes=1000, **options)
    run(video_files, presets["logistic"], tmp_path / "a", max_model_bytes=size - 1, **options)


def test_what_a_file_adds_counts_too_and_costs_no_training(video_files: Any, presets: Any, tmp_path: Path) -> None:
    """The weights fit, their file does not; the training is kept, and a higher limit needs no step more."""
    size = 4 * 1153 * CLASSES
    with pytest.raises(InputError, match="above the limit"):
        run(video_files, presets["logistic"], tmp_path, max_model_bytes=size)
    assert not (tmp_path / "model").exists()
    history = (tmp_path / "history.csv").read_bytes()
    started = time.monotonic()
    manifest = run(video_files, presets["logistic"], tmp_path, max_model_bytes=2 * size)
    assert manifest["training"]["steps"] == 3
    assert (tmp_path / "history.csv").read_bytes() == history
    assert manifest["training"]["seconds"] < time.monotonic() - started + 60


@pytest.mark.parametrize("name", ["paper-netvlad", "paper-netfv", "paper-baseline-schedule"])
def test_the_papers_presets_fit_the_challenges_limit_as_they_are(name: str) -> None:
    check_export(load_preset(name), 3862)
    with pytest.raises(InputError, match=r"1,\d+,\d+,\d+ bytes in float32, above .*--export-dtype float16"):
        check_export(load_preset(name, {"export_dtype": "float32"}), 3862)
    check_export(load_preset(name, {"export_dtype": "float32", "max_model_bytes": 2**31}), 3862)


def test_frames_that_no_saved_model_can_choose_are_refused_early() -> None:
    preset = load_preset("netvlad-small", {"frames.predict.kind": "contiguous"})
    with pytest.raises(InputError, match="contiguous"):
        check_export(preset, 10)
    check_export({**preset, "saved_model": False}, 10)


def test_a_weight_beyond_float16_leaves_nothing(tmp_path: Path) -> None:
    model = models.create("logistic", 3, level="video")
    model.weights[0].assign(keras.ops.full((1152, 3), 1e6))
    preset = load_preset("logistic", {"export_dtype": "float16"})
    with pytest.raises(InputError, match="float16 ends at 65504"):
        export._write(tmp_path / "model", model, {}, preset)
    assert not list(tmp_path.iterdir())


def files_below(folder: Path) -> set[str]:
    return {name for _, _, files in os.walk(folder) for name in files}


@pytest.mark.parametrize("begun", ["model.weights.h5", "saved_model.pb", "fingerprint.pb"])
def test_a_kill_during_export_leaves_nothing_that_predict_accepts(forks: Forks, tmp_path: Path, begun: str) -> None:
    """Killed as soon as a file has been begun; whatever lies there is no model, or a whole one."""
    process = forks.start([tmp_path / "model"], "tests.forks:write_small_model")
    process.wait_until(lambda: begun in files_below(tmp_path))
    process.kill()
    assert begun in files_below(tmp_path)
    for folder in tmp_path.iterdir():
        if (folder / "model.json").exists():
            check_files(folder, read_manifest(folder))
            load_model(folder)
        else:
            with pytest.raises(InputError, match=r"there is no model\.json"):
                load_model(folder)
