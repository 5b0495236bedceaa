import numpy as np
import pytest

from tests.drawn import World
from tests.evaluation.bootstrap import bootstrap_gaps, percentile_interval
from yt8m.evaluation.comparison import gap_of, taken


@pytest.mark.parametrize("steps", [None, 20], ids=["distinct confidences", "ties"])
def test_a_replicate_is_the_exact_score_of_the_videos_drawn(steps):
    table = World(400).predictions(1, steps=steps)
    rows = np.random.default_rng(5).integers(0, 400, 400)
    assert bootstrap_gaps(table, 1, seed=5)[0] == pytest.approx(gap_of(taken(table, rows)), abs=2e-4)


def test_the_same_seed_draws_the_same_videos_for_all_models():
    world = World(200)
    a, b = world.predictions(1), world.predictions(2)
    assert bootstrap_gaps(a, 5).tolist() == bootstrap_gaps(a, 5).tolist()
    assert bootstrap_gaps(a, 5).tolist() != bootstrap_gaps(a, 5, seed=1).tolist()
    apart = bootstrap_gaps(b, 100, seed=1) - bootstrap_gaps(a, 100)
    assert (bootstrap_gaps(b, 100) - bootstrap_gaps(a, 100)).std() < 0.7 * apart.std()


def test_the_middle_95_percent():
    interval = percentile_interval(np.arange(1001.0))
    assert (interval.low, interval.high) == pytest.approx((25, 975))
