"""Null rates and power of every drift check, by simulation on the sample's records and the real label lists."""

from pathlib import Path

import numpy as np
import pytest

from tests.checks.corrupted import CORRUPTIONS, breached, feature_profile, label_profile, real_features
from yt8m.checks import drift

SIZES = (200, 600, 890)


@pytest.fixture(scope="module")
def features(indexes: dict[str, Path]) -> dict[str, np.ndarray]:
    return real_features(indexes["train"])


@pytest.mark.parametrize("videos", SIZES)
def test_features(features: dict[str, np.ndarray], videos: int) -> None:
    def rate(corruption, times):
        found = []
        for seed in range(times):
            rows = np.random.default_rng(seed).permutation(len(features["rgb"]))
            before = feature_profile(features, rows[:videos])
            now = feature_profile(features, rows[videos : 2 * videos], corruption, seed)
            found.append(bool(breached(before, now)))
        return np.mean(found)

    false = rate(None, 300)
    power = {name: rate(corruption, 40) for name, corruption in CORRUPTIONS.items()}
    print(videos, "without drift", false, power)
    assert false <= 0.02
    hard = {"moved on by one", "every second sign flipped"} if videos < 600 else set()
    assert min(value for name, value in power.items() if name not in hard) >= 0.9


@pytest.mark.parametrize(
    ("then", "now"), [(200, 200), (10_000, 200), (600, 600), (1_500, 1_500), (10_000, 10_000), (100_000, 100_000)]
)
def test_labels(then: int, now: int) -> None:
    times = 1000 if max(then, now) <= 10_000 else 200
    beyond, stopped, movers, seen, values = [], [], [], [], []
    for seed in range(times):
        random = np.random.default_rng(seed)
        before, same = label_profile(random, then), label_profile(random, now)
        beyond.append(drift.beyond_chance("label_drift", before, same))
        stopped.append(beyond[-1] and drift.label_drift(before, same) > 0.1)
        movers.append(bool(drift.top_movers(before, same, None)))
        if seed < times // 5:
            moved = label_profile(random, now, often=(0, 2.9))  # a true distance of 0.206
            values.append(drift.label_drift(before, moved))
            seen.append(values[-1] > 0.1 and drift.beyond_chance("label_drift", before, moved))
    rates = [float(np.mean(rate)) for rate in (beyond, stopped, movers, seen, values)]
    print(then, now, "beyond {:.4f} stopped {:.4f} movers {:.4f}; moved: seen {:.3f} value {:.3f}".format(*rates))
    assert np.mean(beyond) <= 0.03
    assert np.mean(stopped) <= 0.015
    assert np.mean(movers) <= 0.025
    assert np.mean(seen) >= 0.75
