"""A second look at the most confident labels of a video, together: gradient boosting over how they stand to each other.

A model scores each label by itself; which labels come together, and what stands beside a label in its video, it does
not see. The re-ranker gives each of a video's `CANDIDATES` labels a new probability from these (`features.py`); it is
fitted on predictions of videos that no model has learned from (`honest.py`). Labels outside the candidates stay behind
them. The probabilities are those of a likelihood, so that they are comparable between videos, as GAP needs them.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np

from yt8m.artifacts import fingerprint, fingerprint_bytes
from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.errors import InputError
from yt8m.prediction.table import Predictions, write_predictions
from yt8m.progress import Progress, log
from yt8m.second_stage.features import feature_names, features
from yt8m.second_stage.honest import check_unseen, fitting_parts, shared
from yt8m.second_stage.label_statistics import label_statistics
from yt8m.second_stage.members import Members, read_members, true_candidates
from yt8m.second_stage.reranker import Reranker, read_reranker, write_reranker
from yt8m.seeds import check_seed
from yt8m.storage import StrPath

CANDIDATES = 30
MOST_VIDEOS = 200_000
FEW_PAIRS = 50_000
ROUNDS, SEEDS = 390, 3
BOOSTING: dict[str, Any] = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.04, "min_data_in_leaf": 100, "lambda_l2": 1.0,
    "feature_fraction": 0.6, "bagging_fraction": 0.8, "bagging_freq": 1, "deterministic": True, "force_col_wise": True,
    "verbosity": -1,
}  # fmt: skip


def fit_reranker(
    predictions: Sequence[StrPath],
    training_set: StrPath,
    output: StrPath,
    *,
    candidates: int = CANDIDATES,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit a re-ranker and write it.

    Args:
        predictions: files of the same labelled videos, each by one model (or one average).
        training_set: that the models learned from; its labels give the statistics.
        output: the folder to write.
        candidates: labels of a video that are looked at.
        rounds: trees of each of the `SEEDS` ensembles.
        seed: of the trees' samples.

    Returns:
        What `reranker.json` holds.

    Raises:
        InputError: wrong input, or predictions of videos that their models have learned from.
    """
    check_seed(seed)
    members = read_members(predictions, candidates)
    training, folds = check_unseen(members, training_set)
    data, hits, used = _examples(members, training, folds, candidates, seed)
    names = feature_names(len(members.tables))
    log(f"fitting to {len(data):,} pairs of {len(used):,} videos")
    examples = lightgbm.Dataset(data, hits, feature_name=[name.replace(" ", "_") for name in names])
    settings = {**BOOSTING, "num_threads": _threads(len(data))}
    boosters, gains = [], np.zeros(len(names))
    for number in range(SEEDS):
        fitted = lightgbm.train({**settings, "seed": (seed + number) % 2**31}, examples, rounds)
        boosters.append(fitted.model_to_string())
        gains += fitted.feature_importance("gain")
    statistics = label_statistics(training.index.labels, training.index.bounds, members.num_classes)
    about = {
        "kind": "reranker",
        "models": [dict(zip(("name", "identity"), pair, strict=True))
                   for pair in zip(members.names, members.identities, strict=True)],
        "num_classes": members.num_classes,
        "candidates": min(candidates, members.num_classes),
        "features": names,
        "gains": {names[place]: round(float(gains[place] / gains.sum()), 4) for place in np.argsort(-gains)},
        "folds": folds,
        "videos": len(used),
        "pairs": len(data),
        "training_set": training.fingerprint(),
        "predictions": [table.metadata["fingerprint"] for table in members.tables],
        "seed": seed,
        "rounds": rounds,
        "simulated": any(bool(table.metadata["simulated"]) for table in members.tables),
        "fingerprint": fingerprint_bytes(*(text.encode() for text in boosters)),
    }  # fmt: skip
    write_reranker(output, Reranker(about, boosters, statistics, members.tables[0].video_ids[used]))
    return about


def _threads(pairs: int) -> int:
    """How many work at it, which changes no number: one where they would mostly wait for each other; 0 for all."""
    return 1 if pairs < FEW_PAIRS else 0


def _examples(
    members: Members, training: TrainingSet, folds: int, candidates: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features float32 [pairs, F], whether each label is true, and the rows of the tables that they are of."""
    table = members.tables[0]
    used = np.arange(len(table))
    if len(used) > MOST_VIDEOS:
        used = np.sort(np.random.default_rng(seed).choice(used, MOST_VIDEOS, replace=False))
    data, hits = [], []
    with Progress("looking at", len(used), "videos") as progress:
        for rows, known in fitting_parts(members, training, folds):
            statistics = label_statistics(known.index.labels, known.index.bounds, members.num_classes)
            for block in members.candidates(candidates, np.intersect1d(rows, used, assume_unique=True)):
                data.append(features(block, statistics).reshape(block.labels.size, -1))
                hits.append(true_candidates(table, block).ravel())
                progress.advance(len(block.rows))
    return np.concatenate(data), np.concatenate(hits), used


def apply_reranker(reranker: StrPath, predictions: Sequence[StrPath], output: StrPath) -> dict[str, Any]:
    """Re-rank predictions, and write a predictions file of as many labels a video as there are candidates.

    Args:
        reranker: the folder.
        predictions: files of the same videos by the models that the re-ranker was fitted to, in any order.
        output: the predictions file.

    Returns:
        `{videos, top, num_classes, models, level, simulated, fingerprint}`.

    Raises:
        InputError: wrong input, predictions of other models, or of videos that the re-ranker was fitted to.
    """
    fitted = read_reranker(reranker)
    members = _in_order(read_members(predictions, fitted.candidates), fitted, reranker)
    table = members.tables[0]
    seen = shared(table.video_ids, fitted.video_ids)
    if seen:
        raise InputError(f"{members.paths[0]}: {os.fspath(reranker)} was fitted to {seen:,} of these {len(table):,} "
                         "videos, and would do better on them than on new ones; give others")  # fmt: skip
    result = _reranked(members, fitted)
    write_predictions(output, result)
    return {
        "videos": len(result),
        "top": result.top_labels.shape[1],
        "models": members.names,
        **{key: result.metadata[key] for key in ("num_classes", "level", "simulated", "fingerprint")},
    }


def _in_order(members: Members, fitted: Reranker, reranker: StrPath) -> Members:
    """The tables in the order in which the re-ranker knows their models."""
    places = {identity: place for place, identity in enumerate(members.identities)}
    wanted = [(model["name"], model["identity"]) for model in fitted.about["models"]]
    for path, name, identity in zip(members.paths, members.names, members.identities, strict=True):
        if identity not in [known for _, known in wanted]:
            raise InputError(f"{path}: predictions of the model {name}, to which {os.fspath(reranker)} was not fitted; "
                             f"it was to {', '.join(name for name, _ in wanted)}")  # fmt: skip
    missing = [name for name, identity in wanted if identity not in places]
    if missing:
        raise InputError(f"{os.fspath(reranker)}: it needs predictions of {', '.join(missing)}, too; give them all")
    if members.num_classes != fitted.about["num_classes"]:
        raise InputError(f"{members.paths[0]}: {members.num_classes} classes, the re-ranker has "
                         f"{fitted.about['num_classes']}; predict with models of one vocabulary")  # fmt: skip
    order = [places[identity] for _, identity in wanted]
    return Members([members.paths[place] for place in order], [members.tables[place] for place in order])


def _reranked(members: Members, fitted: Reranker) -> Predictions:
    table = members.tables[0]
    places = fitted.candidates
    top_labels = np.empty((len(table), places), np.int32)
    top_confidences = np.empty((len(table), places), np.float32)
    trees = [lightgbm.Booster(model_str=text) for text in fitted.boosters]
    with Progress("re-ranking", len(table), "videos") as progress:
        for block in members.candidates(places, np.arange(len(table))):
            scores = _probabilities(trees, features(block, fitted.statistics))
            order = np.lexsort((block.labels, -scores), axis=1)
            top_labels[block.rows] = np.take_along_axis(block.labels, order, axis=1)
            top_confidences[block.rows] = np.take_along_axis(scores, order, axis=1)
            progress.advance(len(block.rows))
    ranks, confidences = _of_true_labels(members, top_labels, top_confidences)
    metadata = {
        **table.metadata,
        "models": members.models,
        "simulated": any(bool(each.metadata["simulated"]) for each in members.tables),
        "reranker": fitted.about["fingerprint"],
        "reranker_bytes": sum(int(file["bytes"]) for file in fitted.about["files"]),
    }
    identity = ["reranked", fitted.about["fingerprint"], [each.metadata["fingerprint"] for each in members.tables]]
    return replace(
        table, top_labels=top_labels, top_confidences=top_confidences, label_ranks=ranks,
        label_confidences=confidences, metadata={**metadata, "fingerprint": fingerprint(identity)},
    )  # fmt: skip


def _probabilities(trees: list[lightgbm.Booster], data: np.ndarray) -> np.ndarray:
    """float32 [n, C]: the mean of the ensembles."""
    flat = data.reshape(-1, data.shape[-1])
    each = [np.asarray(booster.predict(flat, num_threads=_threads(len(flat)))) for booster in trees]
    return np.mean(each, axis=0).reshape(data.shape[:2]).astype(np.float32)


def _of_true_labels(
    members: Members, top_labels: np.ndarray, top_confidences: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rank and confidence of each true label; one outside the candidates stays behind them, as the models had it."""
    table, places = members.tables[0], top_labels.shape[1]
    rows = table.label_rows
    ranks = np.maximum(np.min([each.label_ranks for each in members.tables], axis=0), places + 1)
    confidences = np.mean([each.label_confidences for each in members.tables], axis=0).astype(np.float32)
    confidences = np.minimum(confidences, top_confidences[rows, -1])
    for start in range(0, len(rows), 1 << 16):
        part = slice(start, start + (1 << 16))
        found, place = np.nonzero(top_labels[rows[part]] == table.labels[part, None])
        ranks[part][found] = place + 1
        confidences[part][found] = top_confidences[rows[part][found], place]
    return ranks.astype(np.int32), confidences
