"""What finished models leave in a process: counted as objects, for what they weigh is up to the allocators."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from tensorflow.python.eager import context

from yt8m.models import devices
from yt8m.prediction.predict import predict
from yt8m.training.train import train

pytestmark = pytest.mark.usefixtures("plain_steps")


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back after each use, not after each fourth."""
    monkeypatch.setattr(devices, "EVERY", 1)


def kept() -> tuple[int, int]:
    """TensorFlow's functions and Keras' models that are there."""
    models = sum(isinstance(thing, keras.Model) for thing in gc.get_objects())
    return len(context.context().list_function_names()), models


def after_each(use: Callable[[Path], Any], folder: Path) -> list[tuple[int, int]]:
    counts = []
    for name in ("a", "b"):
        use(folder / name)
        counts.append(kept())
    return counts


def test_trainings_and_predictions_leave_no_function_and_no_model(
    video_files: Any, presets: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"num_classes": 40, "overrides": {"epochs": 0.4, "validate_every": 1}}
    first, second = after_each(lambda folder: train(video_files.training_set, video_files.validation,
                                                     presets["logistic"], folder, **options), tmp_path)  # fmt: skip
    assert first == second

    first, second = after_each(lambda folder: predict([tmp_path / "a"], video_files.validation,
                                                       folder.with_suffix(".parquet")), tmp_path)  # fmt: skip
    assert first == second
