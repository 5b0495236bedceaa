from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from yt8m import models
from yt8m.data.rebalance.training_set import Phase, read_training_set
from yt8m.errors import InputError
from yt8m.models.batch_norm import BatchNorm
from yt8m.training.job import Job, read_job
from yt8m.training.start import first_examples, first_labels, set_batch_norm_momentum, start, start_at_rates

CLASSES = 40
NO_INPUT = {
    "rgb": np.zeros((1, 1, 1024), np.float32), "audio": np.zeros((1, 1, 128), np.float32),
    "num_frames": np.ones(1, np.int32),
}  # fmt: skip


def job(files: Any, preset: Path, **overrides: Any) -> Job:
    return read_job(files.training_set, files.validation, preset, overrides=overrides, seed=0, vocabulary=None,
                    num_classes=CLASSES, export="best")  # fmt: skip


def test_labels_are_counted_as_an_epoch_reads_them(video_files: Any, presets: Any, tmp_path: Path) -> None:
    files = video_files.with_phases(tmp_path / "a.parquet", Phase(), Phase())
    training_set = read_training_set(files.training_set)
    index = training_set.index
    expected = np.bincount(index.labels, minlength=CLASSES)
    np.testing.assert_array_equal(first_labels(job(files, presets["logistic"])).sum(axis=0), expected)


def test_examples_are_the_first_of_the_training(video_files: Any, presets: Any) -> None:
    features, labels = first_examples(job(video_files, presets["logistic"]), None)
    assert features["rgb"].shape == (48, 1, 1024)
    assert labels.shape == (48, CLASSES)
    np.testing.assert_array_equal(labels.sum(axis=0), first_labels(job(video_files, presets["logistic"])).sum(axis=0))


@pytest.mark.parametrize("name", ["logistic", "moe"])
def test_a_model_starts_at_the_rates(name: str) -> None:
    labels = np.zeros((1000, CLASSES), np.uint8)
    labels[:500, 0] = labels[:20, 1] = 1
    model = models.create(name, CLASSES, level="video")
    start_at_rates(model, labels)
    p = keras.ops.convert_to_numpy(model(NO_INPUT))[0] * (
        1.5 if name == "moe" else 1
    )  # even gates, one of three is "no"
    assert p[:2] == pytest.approx([0.5, 0.02], rel=0.05)
    assert 0 < p[2] < 0.002


def test_a_model_that_needs_data_gets_it(video_files: Any, presets: Any) -> None:
    here = job(video_files, presets["logistic"], **{"model.name": "mlp", "model.hidden": 4})
    model = models.create("mlp", CLASSES, level="video", hidden=4)
    start(model, here, None)
    deviations = first_examples(here, None)[0]["rgb"][:, 0].std(axis=0)
    factors = keras.ops.convert_to_numpy(model.rgb_scaling.factors)
    np.testing.assert_allclose(factors, deviations**2.5, rtol=1e-3)


def test_a_model_without_a_known_head_says_so() -> None:
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="start_at_label_rates=false"):
        start_at_rates(model, np.zeros((5, 2), np.uint8))


def test_the_momentum_of_all_batch_norms() -> None:
    model = models.create("netvlad", CLASSES, clusters=2, hidden=3)
    set_batch_norm_momentum(model, 0.5)
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    assert len(norms) >= 4
    assert {norm.momentum for norm in norms} == {0.5}
