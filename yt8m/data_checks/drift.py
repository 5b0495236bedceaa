"""How far a partition has moved from the one that the champion was trained on.

Each measure is 0 for two samples of one distribution, on average: what chance alone brings at their sizes is taken
off, so that small partitions do not raise false alarms.
"""

from typing import Any

import numpy as np

from yt8m.vocabulary import Vocabulary

MOVERS = 10
LEAST = 20
KOLMOGOROV = 1.36  # the 5 % point of the Kolmogorov-Smirnov statistic, times sqrt(1/n + 1/m)


def label_drift(before: dict[str, Any], now: dict[str, Any]) -> float:
    """Total variation distance between the label distributions, `1/2 sum |p - q|`, its mean by chance taken off.

    Labels too rare for a difference to be told (fewer than `LEAST` expected on either side) count together as one. With
    n and m occurrences, the difference of two shares of a label of probability r has the standard deviation
    `sqrt(r (1 - r) (1/n + 1/m))` by chance, and the mean of its size is `sqrt(2 / pi)` of that. Chance and change are
    independent, so their squares are subtracted.
    """
    p, q = _label_counts(before, now)
    n, m = p.sum(), q.sum()
    if not n or not m:
        return 0.0
    p, q = _rare_as_one(p, q)
    pooled = (p + q) / (n + m)
    chance = np.sqrt(2 / np.pi * pooled * (1 - pooled) * (1 / n + 1 / m)).sum() / 2
    distance = np.abs(p / n - q / m).sum() / 2
    return float(np.sqrt(max(distance**2 - chance**2, 0)))


def frame_count_drift(before: dict[str, Any], now: dict[str, Any]) -> float | None:
    """Largest distance between the cumulative distributions of frame counts, less its 5 % point by chance."""
    counts = before["frame_counts"], now["frame_counts"]
    if not all(counts):
        return None
    p, q = _padded(*counts)
    gap = np.abs(np.cumsum(p) / p.sum() - np.cumsum(q) / q.sum()).max()
    return float(max(gap - KOLMOGOROV * np.sqrt(1 / p.sum() + 1 / q.sum()), 0))


def feature_mean_drift(before: dict[str, Any], now: dict[str, Any]) -> float | None:
    """Root mean square over the dimensions of the means' shift in standard deviations, less its mean by chance."""
    old, new = before["features"], now["features"]
    if not old or not new:
        return None
    shifts = np.concatenate([_standardised(old[name], new[name]) for name in ("rgb", "audio")])
    chance = 1 / old["videos"] + 1 / new["videos"]
    return float(np.sqrt(max(np.mean(shifts**2) - chance, 0)))


def top_movers(before: dict[str, Any], now: dict[str, Any], vocabulary: Vocabulary | None) -> list[dict[str, Any]]:
    """The labels whose frequency has changed most beyond chance: `{label, name, before, now, z}`.

    `before` and `now` are the shares of videos with the label; z is the difference in its standard deviations (the
    two-sample z of proportions).
    """
    p, q = _label_counts(before, now)
    n, m = max(before["videos"], 1), max(now["videos"], 1)
    pooled = (p + q) / (n + m)
    deviations = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / n + 1 / m))
    z = (q / m - p / n) / deviations
    labels = [int(label) for label in np.argsort(-np.abs(z), kind="stable")[:MOVERS] if abs(z[label]) > 3]
    return [
        {
            "label": label,
            "name": vocabulary.names[label] if vocabulary and label < len(vocabulary) else f"label {label}",
            "before": float(p[label] / n),
            "now": float(q[label] / m),
            "z": float(z[label]),
        }
        for label in labels
    ]


def _rare_as_one(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    smaller = min(p.sum(), q.sum()) / (p.sum() + q.sum())
    told = (p + q) * smaller >= LEAST
    return np.append(p[told], p[~told].sum()), np.append(q[told], q[~told].sum())


def _label_counts(before: dict[str, Any], now: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return _padded(before["label_videos"], now["label_videos"])


def _padded(first: list[int], second: list[int]) -> tuple[np.ndarray, np.ndarray]:
    size = max(len(first), len(second))
    p, q = (np.pad(np.asarray(values, np.float64), (0, size - len(values))) for values in (first, second))
    return p, q


def _standardised(old: dict[str, list[float]], new: dict[str, list[float]]) -> np.ndarray:
    """Shift of each dimension's mean in standard deviations; a dimension that never varied counts if it moved."""
    shift, std = np.subtract(new["mean"], old["mean"]), np.asarray(old["std"])
    return np.where(np.abs(shift) < 1e-9, 0.0, shift / np.maximum(std, 1e-3))
