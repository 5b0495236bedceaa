"""A month of nights of challengers that are no better, with models of real label lists, by the rule itself."""

from tests.real_worlds import RealWorld
from yt8m.evaluation.comparison import compare_gap, gap_of
from yt8m.promotion.contest import PROMISE, Thresholds, judge

REGISTRIES, NIGHTS, VIDEOS = 24, 30, 300


def test_equal_challengers_of_a_month_hardly_ever_win() -> None:
    won = nightly = 0
    for seed in range(REGISTRIES):
        world = RealWorld(VIDEOS, seed)
        champion = other = world.predictions()
        wins = wins_nightly = False
        for number in range(1, NIGHTS + 1):
            challenger = world.predictions()
            gain = compare_gap(champion, challenger)
            if judge(gap_of(challenger), gain, Thresholds(0.0), number).wins:
                champion, wins = challenger, True
            if compare_gap(other, challenger).verdict == "better":
                other, wins_nightly = challenger, True
        won, nightly = won + wins, nightly + wins_nightly
    assert won <= 4 * PROMISE * REGISTRIES
    assert nightly >= 0.1 * REGISTRIES  # what a 95 % interval a night does to the same models


def test_a_model_that_is_better_wins_after_a_month() -> None:
    won = 0
    for seed in range(20):
        world = RealWorld(VIDEOS, 1_000 + seed)
        challenger = world.predictions(gain=1.5)
        gain = compare_gap(world.predictions(), challenger)
        won += judge(gap_of(challenger), gain, Thresholds(0.0), NIGHTS).wins
    assert won >= 16
