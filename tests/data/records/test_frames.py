"""Simulated frames: their mean to a fraction of a step, their numbers and their variation like real ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt8m.data.records.features import FeatureError
from yt8m.data.records.frames import (
    SIZE,
    STEP,
    draw_num_frames,
    frame_counts,
    frames_of_mean,
    shot_deviations,
    to_steps,
)

step_values = st.sampled_from([0.0, 1e-9, 0.001, 0.49, 0.5, 1.0, 127.5, 254.5, 254.999, 255.0]) | st.floats(0, 255)


@settings(max_examples=60)
@given(st.lists(step_values, min_size=1, max_size=30), st.integers(1, 300), st.integers(0, 99), st.floats(0, 900))
def test_frames_come_back_to_any_mean(means: list[float], count: int, seed: int, spread: float) -> None:
    mean = np.array(means)
    random = np.random.default_rng(seed)
    deviations = (random.standard_normal((count, len(mean))) * spread).astype(np.float32)
    frames = frames_of_mean(mean, deviations)
    assert (frames.dtype, frames.shape) == (np.uint8, (count, len(mean)))
    assert np.abs(frames.mean(0, np.float64) - mean).max() <= 0.51 / count + 0.003


@given(st.integers(1, 300), st.integers(0, 99))
@settings(max_examples=20)
def test_frames_of_shots_come_back_to_their_mean(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    mean = np.clip(random.normal(127, 60, SIZE), 0, 255)
    frames = frames_of_mean(mean, shot_deviations(random, count))
    assert np.abs(frames.mean(0, np.float64) - mean).max() <= 0.51 / count + 0.003


def test_quantisation_keeps_each_frame_within_a_step() -> None:
    random = np.random.default_rng(0)
    deviations = (random.standard_normal((50, 200)) * 5).astype(np.float32)
    deviations -= deviations.mean(0)
    frames = frames_of_mean(np.full(200, 100.3), deviations)
    assert np.abs(frames - (100.3 + deviations)).max() < 1.01


def test_frames_vary_like_those_of_real_videos() -> None:
    """Two real records have a deviation of 0.79 and 0.87, and correlations of 0.44 and 0.53 after a second."""
    random = np.random.default_rng(0)
    frames = frames_of_mean(np.full(SIZE, 127.0), shot_deviations(random, 300)) * STEP
    frames -= frames.mean(0)
    assert 0.72 < frames.std() < 0.92
    correlations = [(frames[lag:] * frames[:-lag]).mean() / frames.var() for lag in (1, 4, 8, 30)]
    assert 0.38 < correlations[0] < 0.58
    assert correlations == sorted(correlations, reverse=True)
    assert correlations[2] < 0.2
    assert abs(correlations[3]) < 0.1


def test_numbers_of_frames_follow_the_real_distribution() -> None:
    counts, probabilities = frame_counts()
    assert (counts.min(), counts.max(), len(counts), probabilities.sum().round(9)) == (1, 301, 184, 1)
    random = np.random.default_rng(0)
    drawn = np.array([draw_num_frames(random, 1000) for _ in range(4000)])
    assert set(drawn) <= set(counts)
    assert abs(np.median(drawn) - 232) <= 4
    assert abs(drawn.mean() - counts @ probabilities) < 4
    assert max(draw_num_frames(random, 64) for _ in range(50)) == 64


def test_a_mean_that_no_frames_can_have_is_named() -> None:
    assert to_steps(np.array([-2 + 4 / 512, 2 + 4 / 512]), "mean_rgb").tolist() == [0, 255]
    assert to_steps(np.array([-2.0]), "mean_rgb").tolist() == [0], "half a step outside is rounding"
    with pytest.raises(
        FeatureError, match=r"mean_audio\[1\] is 2.5; no frames have it as their mean.*-1.9922 and 2.0078"
    ):
        to_steps(np.array([0.0, 2.5]), "mean_audio")
