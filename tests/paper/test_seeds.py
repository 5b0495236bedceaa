import numpy as np
import pytest

from yt8m.paper.scores import degrees, estimate, student


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (10, 2.22814), (100, 1.98397), (1e9, 1.96152)]
)
def test_the_quantiles_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, rel=1e-3)


def test_with_equal_seeds_only_the_videos_vary() -> None:
    influences = np.random.default_rng(0).normal(size=5000) / 5000
    found = estimate(np.full(3, 0.5), influences)
    assert found.high - 0.5 == pytest.approx(1.96 * np.sqrt(np.square(influences).sum()), rel=2e-3)
    assert (found.value, found.seed_error) == (0.5, 0.0)


def test_without_videos_that_vary_it_is_students_interval_of_the_seeds() -> None:
    found = estimate(np.array([0.1, 0.2, 0.3]), np.zeros(100))
    assert found.high - found.value == pytest.approx(4.30265 * 0.1 / np.sqrt(3), rel=1e-3)
    assert degrees(0.0, 100, 0.01, 3) == pytest.approx(2)


def test_one_seed_leaves_the_videos() -> None:
    found = estimate(np.array([0.4]), np.array([0.1, -0.1]))
    assert found.seed_error is None
    assert found.low < 0.4 < found.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        videos = random.normal(size=200)
        seeds = 0.05 * random.normal(size=3)
        found = estimate(videos.mean() + seeds, (videos - videos.mean()) / 200)
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / 400 <= 0.99


def test_parts_that_are_judged_together_have_wider_intervals() -> None:
    values, influences = np.array([0.1, 0.2, 0.3]), np.full(10, 0.01)
    assert estimate(values, influences, judged_together=3).low < estimate(values, influences).low
