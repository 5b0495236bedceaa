"""The weights of models in an average, fitted to labels that none of the models has learned from.

The mean `sum_m w_m p_m` of probabilities with weights from 0 that add up to 1 is a mixture, so that its likelihood is
concave in the weights, and the steps of expectation maximisation (Dempster et al. 1977) climb to its maximum from equal
weights: there is nothing to tune, and the same inputs give the same weights. A model that gains the mixture next to
nothing is left out, and the others are weighed anew.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from yt8m.errors import InputError
from yt8m.registry.manifest import read_manifest
from yt8m.second_stage.honest import check_unseen
from yt8m.second_stage.members import read_members, true_candidates
from yt8m.storage import StrPath, read_json, write_json

CANDIDATES = 30
LEAST_WEIGHT = 0.02
STEPS, TOLERANCE = 2_000, 1e-7
LEAST = 1e-7


def fit_blend(predictions: Sequence[StrPath], training_set: StrPath, output: StrPath) -> dict[str, Any]:
    """Fit weights and write them.

    Args:
        predictions: files of the same labelled videos, each by one model.
        training_set: that the models learned from.
        output: the JSON file.

    Returns:
        What it holds: `models` (`{name, fingerprint, weight}`, those with a weight of 0 are left out of an average),
        `videos`, `folds`, `log_loss` of a pair with these weights, and `equal_log_loss` with equal ones.

    Raises:
        InputError: wrong input, fewer than two models, an average among them, or videos that a model has learned from.
    """
    if len(predictions) < 2:
        raise InputError("one predictions file is given; weights are of two models or more")
    members = read_members(predictions, CANDIDATES)
    for path, table in zip(members.paths, members.tables, strict=True):
        if len(table.metadata["models"]) != 1:
            raise InputError(f"{path}: an average of models already; give predictions of each by itself")
    _, folds = check_unseen(members, training_set)
    table = members.tables[0]
    blocks = list(members.candidates(CANDIDATES, np.arange(len(table))))
    confidences = np.concatenate([block.members.reshape(len(members.tables), -1) for block in blocks], axis=1)
    hits = np.concatenate([true_candidates(table, block).ravel() for block in blocks])
    chances = np.where(hits, confidences, 1 - confidences).clip(LEAST).astype(np.float64)
    weights = sparse_weights(chances)
    result = {
        "kind": "blend",
        "models": [
            {"name": model["name"], "fingerprint": model["fingerprint"], "weight": round(float(weight), 4)}
            for model, weight in zip(members.models, weights, strict=True)
        ],
        "videos": len(table),
        "folds": folds,
        "training_set": members.models[0]["training_set"],
        "log_loss": _log_loss(chances, weights),
        "equal_log_loss": _log_loss(chances, np.full(len(weights), 1 / len(weights))),
    }
    write_json(output, result)
    return result


def sparse_weights(chances: np.ndarray) -> np.ndarray:
    """The weights of M models, those below `LEAST_WEIGHT` set to 0; float64 [M], which add up to 1.

    Args:
        chances: float64 [M, pairs] above 0, the probability that each model gave to what was true.
    """
    kept = np.arange(len(chances))
    while True:
        fitted = mixture_weights(chances[kept])
        if fitted.min() >= LEAST_WEIGHT:
            break
        kept = np.delete(kept, fitted.argmin())
    weights = np.zeros(len(chances))
    weights[kept] = fitted
    return weights


def mixture_weights(chances: np.ndarray) -> np.ndarray:
    """The weights with the highest likelihood; see `sparse_weights`."""
    weights = np.full(len(chances), 1 / len(chances))
    for _ in range(STEPS):
        before, weights = weights, weights * (chances / (weights @ chances)).mean(axis=1)
        if np.abs(weights - before).max() < TOLERANCE:
            break
    return weights / weights.sum()


def blend_weights(blend: StrPath, models: Sequence[StrPath]) -> list[float]:
    """The weights of models, in their order, that a blend gives them.

    Raises:
        InputError: not a blend, or not exactly the models that it gives a weight.
    """
    content = read_json(blend, "make one with `yt8m blend`")
    if not isinstance(content, dict) or content.get("kind") != "blend":
        raise InputError(f"{os.fspath(blend)}: this is no blend; make one with `yt8m blend`")
    weights = {entry["fingerprint"]: float(entry["weight"]) for entry in content["models"] if entry["weight"]}
    names = {entry["fingerprint"]: entry["name"] for entry in content["models"]}
    found = [read_manifest(path)["fingerprint"] for path in models]
    for path, model in zip(models, found, strict=True):
        if model not in weights:
            why = "it gives this model no weight; leave it out" if model in names else "it is of other models"
            raise InputError(f"{os.fspath(path)}: not among the models of {os.fspath(blend)}: {why}")
    missing = [names[model] for model in weights if model not in found]
    if missing:
        raise InputError(f"{os.fspath(blend)}: it weighs {', '.join(missing)}, too; give these models as well")
    return [weights[model] for model in found]


def _log_loss(chances: np.ndarray, weights: np.ndarray) -> float:
    return float(-np.log(weights @ chances).mean())
