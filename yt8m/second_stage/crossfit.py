"""Predictions of a model's own training videos, each by a model that has not seen it.

What is fitted to a model's predictions (weights, a re-ranker) must see how it does on new videos, and on its training
videos it does far better. So the model is trained again as many times as there are folds, each time without one fold,
which it then predicts. The table says of its model that it was made so, and stands for that model: what is fitted to
it is applied to the predictions of the model that learned from all.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from yt8m.artifacts import fingerprint
from yt8m.data.rebalance.training_set import TrainingSet, read_training_set, write_training_set
from yt8m.data.records.video_index import write_index
from yt8m.errors import InputError
from yt8m.loader import DEFAULT_STAGING, Staging
from yt8m.prediction.table import Predictions, read_predictions, write_predictions
from yt8m.progress import log
from yt8m.quiet import quiet_start
from yt8m.registry.manifest import read_manifest
from yt8m.second_stage.folds import check_folds, fold_of, without_fold
from yt8m.storage import StrPath, write_text
from yt8m.training.train import train

TOP = 100


def crossfit(
    model: StrPath,
    training_set: StrPath,
    output: StrPath,
    *,
    folds: int = 5,
    top: int = TOP,
    source: str | None = None,
    staging: Staging = DEFAULT_STAGING,
) -> dict[str, Any]:
    """Train a model's like without each fold, have it predict that fold, and write all these predictions as one table.

    A killed one that is started again goes on where it was: models and predictions lie in `output` with `.folds` behind
    it until the table is written.

    Args:
        model: folder of the trained model; its preset and seed are taken.
        training_set: the file that it was trained on.
        output: the predictions file.
        folds: how many.
        top: labels a video.
        source: the folder of the shards, if not where the training set says.
        staging: how shards on gs:// are staged.

    Returns:
        `{videos, folds, top, models, num_classes, level, simulated, fingerprint}`.

    Raises:
        InputError: wrong input, or another training set than the model's.
    """
    check_folds(folds)
    manifest, examples = read_manifest(model), read_training_set(training_set)
    if manifest["training_set_fingerprint"] != examples.fingerprint():
        raise InputError(f"{training_set}: the model {model} was trained on another one; give that "
                         f"({manifest['training_set_fingerprint']}, not {examples.fingerprint()})")  # fmt: skip
    for key in ("initial_model", "teacher"):
        if manifest.get(key):
            raise InputError(f"{model}: it was trained with another model's knowledge ({key}), which has seen the "
                             "videos of all folds; cross-fit one that was not")  # fmt: skip
    work = Path(f"{os.fspath(output)}.folds")
    parts = []
    for fold in range(folds):
        log(f"fold {fold + 1} of {folds}")
        parts.append(_fold(manifest, examples, fold, folds, work / str(fold), top, source, staging))
    table = _joined(parts, manifest, examples, folds)
    write_predictions(output, table)
    shutil.rmtree(work, ignore_errors=True)
    return {
        "videos": len(table),
        "folds": folds,
        "top": table.top_labels.shape[1],
        "models": [manifest["name"]],
        **{key: table.metadata[key] for key in ("num_classes", "level", "simulated", "fingerprint")},
    }


def _fold(
    manifest: dict[str, Any], examples: TrainingSet, fold: int, folds: int, folder: Path, top: int,
    source: str | None, staging: Staging,
) -> Predictions:  # fmt: skip
    """The predictions of a fold, by a model of the same preset that was trained without it.

    The weights of the last step are taken: the best ones would have been chosen by the labels of the fold.
    """
    preset = folder / f"{manifest['preset']['name']}.yaml"
    rest, index, table = (folder / f"{name}.parquet" for name in ("training_set", "index", "predictions"))
    settings = {key: value for key, value in manifest["preset"].items() if key != "name"}
    left_out = examples.index.take(fold_of(examples.index.video_ids, folds) == fold)
    if not len(left_out.labels):
        raise InputError(f"fold {fold + 1} of {folds}: none of the {len(examples):,} videos of the training set is a "
                         "labelled one of it; choose fewer folds")  # fmt: skip
    write_text(preset, yaml.safe_dump({**settings, "saved_model": False, "validate_every": settings["epochs"]}))
    write_training_set(rest, without_fold(examples, fold, folds))
    write_index(index, left_out)
    train(rest, index, preset, folder / "run", seed=manifest["seed"], num_classes=manifest["num_classes"],
          export="last", source=source, validation_source=source, staging=staging)  # fmt: skip
    with quiet_start():
        from yt8m.prediction.predict import predict

    predict([folder / "run"], index, table, top=top, source=source, staging=staging)
    return read_predictions(table)


def _joined(parts: Sequence[Predictions], manifest: dict[str, Any], examples: TrainingSet, folds: int) -> Predictions:
    """The tables of all folds as one, which stands for the model that learned from all."""
    ends = np.cumsum([0, *(len(part.labels) for part in parts)])
    bounds = [part.bounds[1:] + start for part, start in zip(parts, ends[:-1], strict=True)]
    flat = ("video_ids", "labels", "label_ranks", "label_confidences", "top_labels", "top_confidences")
    made_by = [part.metadata["models"][0]["fingerprint"] for part in parts]
    model = {"name": manifest["name"], "fingerprint": manifest["fingerprint"],
             "training_set": examples.fingerprint(), "folds": folds}  # fmt: skip
    identity = [model, made_by, parts[0].top_labels.shape[1]]
    metadata = {**parts[0].metadata, "models": [model], "index": examples.index.fingerprint(),
                "fingerprint": fingerprint(identity)}  # fmt: skip
    return replace(
        parts[0],
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in flat},
        bounds=np.concatenate([[0], *bounds]),
        metadata=metadata,
    )
