"""Profiles of real features, whole and corrupted, and of videos drawn from the real label lists."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.real_labels import read_lists
from yt8m.checks import drift
from yt8m.checks.drift import FEATURES
from yt8m.checks.profile import ALL_FRAMES, _moments
from yt8m.checks.thresholds import DEFAULTS
from yt8m.data.records.video_index import read_index
from yt8m.loader import PADDING, prediction_batches

CLASSES = 3862
FEATURE_CHECKS = [name for name in DEFAULTS if name.startswith("feature_")]
Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]
CORRUPTIONS: dict[str, Corruption] = {
    "all zero": lambda x, random: np.zeros_like(x),
    "reversed": lambda x, random: x[:, ::-1],
    "permuted": lambda x, random: x[:, random.permutation(x.shape[1])],
    "moved on by one": lambda x, random: np.roll(x, 1, axis=1),
    "doubled": lambda x, random: 2 * x,
    "sign flipped": lambda x, random: -x,
    "every second sign flipped": lambda x, random: x * np.where(np.arange(x.shape[1]) % 2, 1, -1),
    "noise": lambda x, random: random.normal(0, 1, x.shape),
    "noise of the same means and deviations": lambda x, random: random.normal(x.mean(0), x.std(0), x.shape),
    "mixed between videos": lambda x, random: random.permuted(x, axis=0),
    "half of the videos zero": lambda x, random: x * (random.random((len(x), 1)) > 0.5),
    "shifted by 0.1": lambda x, random: x + 0.1,
}


def real_features(index: Path) -> dict[str, np.ndarray]:
    """Features float64 [n, D] of video-level records, by name."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in FEATURES}
    with prediction_batches(read_index(index), batch_size=64, sampling=ALL_FRAMES) as batches:
        for batch in batches:
            for name in FEATURES:
                parts[name].append(getattr(batch, name)[batch.rows != PADDING, 0].astype(np.float64))
    return {name: np.concatenate(values) for name, values in parts.items()}


def feature_profile(
    features: dict[str, np.ndarray], rows: np.ndarray, corruption: Corruption | None = None, seed: int = 0
) -> dict[str, Any]:
    """The features' part of a profile of some rows."""
    random = np.random.default_rng(seed)
    values = {name: features[name][rows] for name in FEATURES}
    if corruption:
        values = {name: corruption(x, random) for name, x in values.items()}
    return {"features": {"videos": len(rows), **{name: _moments(x) for name, x in values.items()}}}


def breached(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The feature checks that stop a run by the defaults."""
    return [
        name
        for name in FEATURE_CHECKS
        if getattr(drift, name)(before, now) > DEFAULTS[name] and drift.beyond_chance(name, before, now)
    ]


@cache
def _lists() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labels of all distinct lists, the list of each, and the lists' probabilities."""
    lists, videos = read_lists()
    return np.concatenate(lists), np.repeat(np.arange(len(lists)), list(map(len, lists))), videos / videos.sum()


def label_profile(random: np.random.Generator, videos: int, often: tuple[int, float] | None = None) -> dict[str, Any]:
    """The labels' part of a profile of videos drawn from the real lists, those with a label so many times as often."""
    labels, owners, probabilities = _lists()
    if often:
        weights = np.ones(len(probabilities))
        weights[owners[labels == often[0]]] = often[1]
        probabilities = probabilities * weights / (probabilities * weights).sum()
    drawn = random.multinomial(videos, probabilities)
    counts = np.bincount(labels, drawn[owners], CLASSES)
    return {"videos": videos, "label_videos": counts.astype(int).tolist()}
