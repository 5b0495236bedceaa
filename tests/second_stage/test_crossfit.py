import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yt8m.data.rebalance.training_set import read_training_set, write_training_set
from yt8m.errors import InputError
from yt8m.prediction.table import read_predictions
from yt8m.second_stage import crossfit as module
from yt8m.second_stage.crossfit import crossfit
from yt8m.second_stage.folds import fold_of
from yt8m.training.train import train

pytestmark = pytest.mark.usefixtures("plain_steps")

CLASSES, FOLDS, PLANTED = 40, 2, 39


@pytest.fixture(scope="module")
def trained(video_files: Any, presets: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and its training set: a label is planted on most videos of the first fold, and on no other."""
    folder = tmp_path_factory.mktemp("trained")
    training = read_training_set(video_files.training_set)
    index = training.index
    first = fold_of(index.video_ids, FOLDS) == 0
    lists = [index.labels_of(row) for row in range(len(index))]
    lists = [
        np.append(have[have != PLANTED], [PLANTED] if mine else []) for have, mine in zip(lists, first, strict=True)
    ]
    bounds = np.concatenate([[0], np.cumsum([len(have) for have in lists])])
    changed = replace(index, labels=np.concatenate(lists).astype(np.int32), bounds=bounds)
    write_training_set(folder / "training_set.parquet", replace(training, index=changed))
    train(folder / "training_set.parquet", video_files.validation, presets["logistic"], folder / "run",
          num_classes=CLASSES)  # fmt: skip
    return folder / "run", folder / "training_set.parquet"


def test_each_video_is_predicted_by_a_model_that_has_not_seen_its_fold(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, training_set = trained
    output = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(module, "_joined", None)  # it dies once the folds are made
        with pytest.raises(TypeError):
            crossfit(model, training_set, output, folds=FOLDS, top=CLASSES)
    made = sorted(Path(f"{output}.folds").rglob("model.weights.h5"))
    times = [file.stat().st_mtime_ns for file in made]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        result = crossfit(model, training_set, output, folds=FOLDS, top=CLASSES)
    assert [file.stat().st_mtime_ns for file in made] == times  # it went on where it was
    table, index = read_predictions(output), read_training_set(training_set).index
    assert (result["videos"], result["folds"]) == (len(index), FOLDS)
    assert sorted(table.video_ids) == sorted(index.video_ids)
    (about,) = table.metadata["models"]
    assert (about["folds"], about["training_set"]) == (FOLDS, read_training_set(training_set).fingerprint())
    of_planted = table.top_confidences[table.top_labels == PLANTED]
    seen = fold_of(table.video_ids, FOLDS) != 0  # whose model has learned from the first fold, where the label is
    assert of_planted[~seen].max() < 0.3 < 0.6 < of_planted[seen].min()


def test_another_training_set_is_refused(trained: tuple[Path, Path], video_files: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was trained on another one; give that"):
        crossfit(trained[0], video_files.training_set, tmp_path / "out.parquet")
