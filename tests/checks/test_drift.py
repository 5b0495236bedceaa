"""Drift measures: nothing by chance, and the planted size where something moved."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.checks import drift

LABELS = 200


def drawn(seed: int, videos: int, weights: np.ndarray, frames: float = 200, shift: float = 0) -> dict[str, Any]:
    """A profile of videos drawn from label weights, frame counts and features of given means."""
    random = np.random.default_rng(seed)
    means = shift + random.normal(0, 1, (min(videos, 500), 40)).mean(axis=0)
    feature = {"mean": means.tolist(), "std": [1.0] * 40}
    return {
        "videos": videos,
        "label_videos": random.multinomial(3 * videos, weights / weights.sum()).tolist(),
        "frame_counts": np.bincount(random.poisson(frames, videos)).tolist(),
        "features": {"videos": min(videos, 500), "rgb": feature, "audio": feature},
    }


WEIGHTS = 1 / np.arange(1, LABELS + 1)
MEASURES = [drift.label_drift, drift.frame_count_drift, drift.feature_mean_drift]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("videos", [50, 1000, 20_000])
def test_two_samples_of_one_distribution_have_not_moved(measure: Any, videos: int) -> None:
    values = [measure(drawn(seed, 5000, WEIGHTS), drawn(seed + 100, videos, WEIGHTS)) for seed in range(10)]
    assert np.mean(values) < 0.04


def test_moved_labels_are_measured_and_named() -> None:
    moved = WEIGHTS.copy()
    moved[150] += 0.25 * WEIGHTS.sum()  # a fifth of all occurrences now
    before, now = drawn(0, 20_000, WEIGHTS), drawn(1, 20_000, moved)
    assert drift.label_drift(before, now) == pytest.approx(0.2, abs=0.01)
    first = drift.top_movers(before, now, None)[0]
    assert (first["label"], first["name"]) == (150, "label 150")
    assert first["now"] > first["before"]
    assert first["z"] > 50
    assert not drift.top_movers(before, drawn(2, 20_000, WEIGHTS), None)[3:]  # chance alone moves next to nothing


def test_longer_videos_and_shifted_features_are_measured() -> None:
    before = drawn(0, 5000, WEIGHTS)
    assert drift.frame_count_drift(before, drawn(1, 5000, WEIGHTS, frames=240)) > 0.7
    assert drift.feature_mean_drift(before, drawn(1, 5000, WEIGHTS, shift=0.5)) == pytest.approx(0.5, abs=0.02)


def test_what_is_missing_on_one_side_is_not_compared() -> None:
    before = drawn(0, 100, WEIGHTS)
    assert drift.frame_count_drift(before, {**before, "frame_counts": None}) is None
    assert drift.feature_mean_drift({**before, "features": None}, before) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_label_drift_is_a_share_and_needs_no_equal_lengths(first: list[int], second: list[int]) -> None:
    value = drift.label_drift({"label_videos": first}, {"label_videos": second})
    assert 0 <= value <= 1
    assert drift.label_drift({"label_videos": first}, {"label_videos": first}) == 0


def test_many_rare_labels_are_no_drift_by_chance() -> None:
    weights = 1 / np.arange(1, 4001)
    values = [drift.label_drift(drawn(s, 1800, weights), drawn(s + 50, 600, weights)) for s in range(10)]
    assert max(values) < 0.05
