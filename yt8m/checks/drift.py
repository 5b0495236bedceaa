"""How far a partition has moved from the one that the champion was trained on.

Each measure is 0 for two samples of one distribution, on average: what chance alone brings at their sizes is taken
off, so that small partitions read neither high nor low. Whether a measure is *beyond chance* is told apart from its
size: two samples of one distribution are beyond chance in about one comparison of 100 at most (see
`docs/retraining.md` for what was measured on real records).
"""

from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np

from yt8m.vocabulary import Vocabulary

MOVERS = 10
TOLD, GUESSED = 20, 2  # occurrences expected on either side, for a label to be told, and to be counted by itself
KOLMOGOROV_MEAN, KOLMOGOROV, KOLMOGOROV_RARE = 0.8687, 1.36, 1.95  # mean, 5 % and 0.1 % point, times sqrt(1/n + 1/m)
RARE = 3.3  # standard deviations beyond which chance hardly goes (0.1 %, both sides)
CLUSTERED = 1.4  # labels of a video come together: distances of label shares spread so much more than independent ones
# share of the dimensions that count as independent (measured on real records: means and deviations from 40 % on,
# asymmetries from 70 % on)
INDEPENDENT = {"feature_mean_drift": 0.33, "feature_std_drift": 0.33, "feature_skew_drift": 0.6}
FEW_EXPECTED = 5  # a label expected on fewer videos of either side is no mover
MOVED_BY_CHANCE = 0.01  # share of the comparisons of one distribution that name any mover
FLOOR = 1e-3  # a deviation below it counts as it, in the features' range of -2 to 2
FEATURES = ("rgb", "audio")


def label_drift(before: dict[str, Any], now: dict[str, Any]) -> float:
    """Total variation distance between the label distributions, `1/2 sum |p - q|`, its mean by chance taken off.

    Labels too rare to be told count together as one, and changes among them are hidden. As long as nothing is beyond
    chance these are the labels with fewer than `TOLD` occurrences expected on either side; once the labels are known
    to have moved, only those with fewer than `GUESSED`, which reads nearest to the true distance.
    """
    least = GUESSED if _labels_beyond_chance(before, now) else TOLD
    distance, chance, _ = _label_distance(before, now, least)
    return float(np.sqrt(max(distance**2 - chance**2, 0)))


def hidden_labels(before: dict[str, Any], now: dict[str, Any]) -> float:
    """The share of the label occurrences whose labels are too rare to be told and count together as one."""
    p, q = _label_counts(before, now)
    told = _told(p, q, TOLD)
    return float((p + q)[~told].sum() / max((p + q).sum(), 1))


def frame_count_drift(before: dict[str, Any], now: dict[str, Any]) -> float | None:
    """Largest distance between the cumulative distributions of frame counts, its mean by chance taken off.

    As long as it is not beyond chance, its 5 % point by chance is taken off.
    """
    measured = _frame_count_distance(before, now)
    if measured is None:
        return None
    gap, deviation = measured
    if gap <= KOLMOGOROV_RARE * deviation:
        return max(gap - KOLMOGOROV * deviation, 0.0)
    return float(np.sqrt(max(gap**2 - (KOLMOGOROV_MEAN * deviation) ** 2, 0)))


def feature_mean_drift(before: dict[str, Any], now: dict[str, Any]) -> float | None:
    """The means' shift in standard deviations, root mean square over the dimensions, of rgb or audio, if it is more."""
    return _largest(_mean_shifts(before, now))


def feature_std_drift(before: dict[str, Any], now: dict[str, Any]) -> float | None:
    """The log ratio of the standard deviations, root mean square over the dimensions, of rgb or audio, if it is more.

    Sees another scale, noise, dead dimensions and, as each dimension has a deviation of its own, another order.
    """
    return _largest(_spread_changes(before, now))


def feature_skew_drift(before: dict[str, Any], now: dict[str, Any]) -> float | None:
    """Change of the dimensions' asymmetry (see `profile_of`), root mean square, of rgb or audio, if it is more.

    Sees a flipped sign and another order, both of which leave means near 0 and similar deviations.
    """
    return _largest(_asymmetry_changes(before, now))


def feature_size_drift(before: dict[str, Any], now: dict[str, Any]) -> float | None:
    """The log ratio of the deviations between videos of a video's size (its root mean square), its mean by chance off.

    Sees noise and values mixed between videos, which leave each dimension as it was: real videos differ in size.
    """
    ratios = _size_ratios(before, now)
    return max((float(np.sqrt(max(ratio**2 - error**2, 0))) for ratio, error in ratios), default=None)


def beyond_chance(name: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a measure, by its function's name, is more than two samples of one distribution bring."""
    if name == "label_drift":
        return _labels_beyond_chance(before, now)
    if name == "frame_count_drift":
        measured = _frame_count_distance(before, now)
        return measured is not None and measured[0] > KOLMOGOROV_RARE * measured[1]
    if name == "feature_size_drift":
        return any(abs(ratio) > RARE * error for ratio, error in _size_ratios(before, now))
    if name == "feature_std_drift" and _common_scale_moved(before, now):
        return True
    found = {
        "feature_mean_drift": _mean_shifts,
        "feature_std_drift": _spread_residuals,
        "feature_skew_drift": _asymmetry_changes,
    }[name](before, now)
    share = INDEPENDENT[name]
    return any(np.mean(changes**2) > chance * _rare_mean_square(share * len(changes)) for changes, chance in found)


def top_movers(before: dict[str, Any], now: dict[str, Any], vocabulary: Vocabulary | None) -> list[dict[str, Any]]:
    """The labels whose frequency has changed most, beyond chance: `{label, name, before, now, z}`.

    `before` and `now` are the shares of videos with the label; z is the difference in its standard deviations (the
    signed root of the likelihood ratio, which also holds for few videos). Labels expected on fewer than `FEW_EXPECTED`
    videos of either side are left out, and z must be beyond what the largest of all others reaches by chance in
    `MOVED_BY_CHANCE` of the comparisons: about 4 for ten labels, 5 for thousands.
    """
    p, q = _label_counts(before, now)
    n, m = max(before["videos"], 1), max(now["videos"], 1)
    pooled = (p + q) / (n + m)
    ratio = sum(
        _weighed(counts, size * share)
        for counts, size, share in ((p, n, pooled), (q, m, pooled), (n - p, n, 1 - pooled), (m - q, m, 1 - pooled))
    )
    z = np.sign(q / m - p / n) * np.sqrt(np.maximum(2 * ratio, 0))
    tested = pooled * min(n, m) >= FEW_EXPECTED
    limit = NormalDist().inv_cdf(1 - MOVED_BY_CHANCE / 2 / max(tested.sum(), 1))
    z[~tested] = 0
    labels = [int(label) for label in np.argsort(-np.abs(z), kind="stable")[:MOVERS] if abs(z[label]) > limit]
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


def _weighed(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Of each label `counts log(counts / expected)`, 0 where nothing was counted."""
    some = (counts > 0) & (expected > 0)
    return np.where(some, counts * np.log(np.where(some, counts, 1) / np.where(some, expected, 1)), 0.0)


def _told(p: np.ndarray, q: np.ndarray, least: float) -> np.ndarray:
    """Which labels are expected at least so often on either side."""
    return (p + q) * min(p.sum(), q.sum()) / max(p.sum() + q.sum(), 1) >= least


def _label_distance(before: dict[str, Any], now: dict[str, Any], least: float) -> tuple[float, float, float]:
    """The distance with rarer labels as one, its mean by chance, and its standard deviation by chance.

    With n and m occurrences, the difference of two shares of a label of probability r has the standard deviation
    `sqrt(r (1 - r) (1/n + 1/m))` by chance, and the mean of its size is `sqrt(2 / pi)` of that. Chance and change are
    independent, so their squares are subtracted.
    """
    p, q = _label_counts(before, now)
    n, m = p.sum(), q.sum()
    if not n or not m:
        return float(n != m), 0.0, 0.0  # all labels are gone, or there were none
    told = _told(p, q, least)
    p, q = np.append(p[told], p[~told].sum()), np.append(q[told], q[~told].sum())
    pooled = (p + q) / (n + m)
    variances = pooled * (1 - pooled) * (1 / n + 1 / m)
    chance = np.sqrt(2 / np.pi * variances).sum() / 2
    spread = CLUSTERED * np.sqrt((1 - 2 / np.pi) * variances.sum()) / 2
    return float(np.abs(p / n - q / m).sum() / 2), float(chance), float(spread)


def _labels_beyond_chance(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """By common labels alone, which see one that has moved, or by all, which see many that have moved a little."""
    for least in (TOLD, GUESSED):
        distance, chance, spread = _label_distance(before, now, least)
        if distance > chance + RARE * spread:
            return True
    return False


def _frame_count_distance(before: dict[str, Any], now: dict[str, Any]) -> tuple[float, float] | None:
    """The largest distance, and `sqrt(1/n + 1/m)`."""
    counts = before["frame_counts"], now["frame_counts"]
    if not all(counts):
        return None
    p, q = _padded(*counts)
    gap = np.abs(np.cumsum(p) / p.sum() - np.cumsum(q) / q.sum()).max()
    return float(gap), float(np.sqrt(1 / p.sum() + 1 / q.sum()))


Changes = Iterator[tuple[np.ndarray, float]]
"""For rgb and audio, as far as both profiles have it: the dimensions' changes, and their mean square by chance."""


def _pairs(
    before: dict[str, Any], now: dict[str, Any], needed: str = "mean"
) -> Iterator[tuple[dict[str, Any], dict[str, Any], int, int]]:
    """For rgb and audio what both profiles say of it, and the numbers of videos."""
    old, new = before["features"], now["features"]
    for name in FEATURES if old and new else ():
        if needed in old[name] and needed in new[name]:
            yield old[name], new[name], old["videos"], new["videos"]


def _noise(old: dict[str, Any], new: dict[str, Any], n: int, m: int, name: str) -> float:
    """A variance by chance; of a profile without it, the other's."""
    both = [side["noise"][name] for side in (old, new) if "noise" in side]
    return both[0] / n + both[-1] / m


def _mean_shifts(before: dict[str, Any], now: dict[str, Any]) -> Changes:
    """Shifts in standard deviations; a dimension that never varied counts if it moved."""
    for old, new, n, m in _pairs(before, now):
        shift = np.subtract(new["mean"], old["mean"])
        yield np.where(np.abs(shift) < 1e-9, 0.0, shift / np.maximum(old["std"], FLOOR)), 1 / n + 1 / m


def _spread_changes(before: dict[str, Any], now: dict[str, Any]) -> Changes:
    for old, new, n, m in _pairs(before, now):
        if "noise" in old or "noise" in new:
            yield _log_ratio(old["std"], new["std"]), _noise(old, new, n, m, "spread")


def _spread_residuals(before: dict[str, Any], now: dict[str, Any]) -> Changes:
    """Without what all dimensions have in common: videos differ in size, so that their deviations vary together."""
    for (ratios, chance), common in zip(_spread_changes(before, now), _common_noise(before, now), strict=True):
        yield ratios - ratios.mean(), chance - common


def _common_noise(before: dict[str, Any], now: dict[str, Any]) -> list[float]:
    return [
        _noise(old, new, n, m, "common") for old, new, n, m in _pairs(before, now) if "noise" in old or "noise" in new
    ]


def _common_scale_moved(before: dict[str, Any], now: dict[str, Any]) -> bool:
    changes = zip(_spread_changes(before, now), _common_noise(before, now), strict=True)
    return any(abs(ratios.mean()) > RARE * np.sqrt(common) for (ratios, _), common in changes)


def _asymmetry_changes(before: dict[str, Any], now: dict[str, Any]) -> Changes:
    for old, new, n, m in _pairs(before, now, "asymmetry"):
        yield np.subtract(new["asymmetry"], old["asymmetry"]), _noise(old, new, n, m, "asymmetry")


def _size_ratios(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[float, float]]:
    """For rgb and audio the log ratio, and its standard deviation by chance."""
    return [
        (float(_log_ratio(old["size_std"], new["size_std"])), float(np.sqrt(_noise(old, new, n, m, "size"))))
        for old, new, n, m in _pairs(before, now, "size_std")
    ]


def _log_ratio(old: Any, new: Any) -> np.ndarray:
    return np.log(np.maximum(new, FLOOR) / np.maximum(old, FLOOR))


def _largest(found: Changes) -> float | None:
    values = [float(np.sqrt(max(np.mean(changes**2) - chance, 0))) for changes, chance in found]
    return max(values, default=None)


def _rare_mean_square(dimensions: float) -> float:
    """What a mean square over independent dimensions exceeds by chance in 0.1 %, for a mean of 1 (Wilson, Hilferty)."""
    part = 2 / (9 * dimensions)
    return float((1 - part + NormalDist().inv_cdf(0.999) * np.sqrt(part)) ** 3)


def _label_counts(before: dict[str, Any], now: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return _padded(before["label_videos"], now["label_videos"])


def _padded(first: list[int], second: list[int]) -> tuple[np.ndarray, np.ndarray]:
    size = max(len(first), len(second))
    p, q = (np.pad(np.asarray(values, np.float64), (0, size - len(values))) for values in (first, second))
    return p, q
