from math import comb

import numpy as np
import pytest

from tests.drawn import World, predictions_of
from tests.evaluation.bootstrap import bootstrap_gaps, percentile_interval
from yt8m.errors import InputError
from yt8m.evaluation.comparison import gap_of, taken
from yt8m.evaluation.influence import (
    HALF_BIN,
    LEAST_VIDEOS,
    average_precision_influences,
    confidence_bins,
    gap_influences,
    hit_at_1_influences,
    normal_interval,
    perr_influences,
    share_interval,
    standard_error,
)
from yt8m.evaluation.metrics import hit_at_1, hits_in_top, perr


def left_out(table, score):
    """How much a score falls when each video is left out in turn: what the influence is to first order."""
    rows = np.arange(len(table))
    return np.array([score(table) - score(taken(table, np.delete(rows, row))) for row in rows])


def perr_of(table):
    return perr(table.label_ranks, table.label_confidences, table.bounds)


def hit_at_1_of(table):
    return hit_at_1(hits_in_top(table.label_ranks, table.bounds, 1))


@pytest.mark.parametrize("steps", [None, 100, 8, 1], ids=lambda steps: f"{steps} steps")
def test_the_influence_of_a_video_is_what_the_score_loses_without_it(steps):
    table = World(300).predictions(1, steps=steps)
    influences = gap_influences(table)
    expected = left_out(table, gap_of)
    assert influences.sum() == pytest.approx(0, abs=1e-12)
    assert np.corrcoef(influences, expected)[0, 1] > 0.9999
    assert influences == pytest.approx(expected - expected.mean(), abs=0.05 * expected.std())


@pytest.mark.parametrize(
    ("influences", "score"), [(hit_at_1_influences, hit_at_1_of), (perr_influences, perr_of)], ids=["hit@1", "perr"]
)
def test_the_influence_on_a_mean_is_its_share(influences, score):
    table = World(100).predictions(1)
    assert influences(table) * 100 / 99 == pytest.approx(left_out(table, score), abs=1e-12)


def test_widths_are_those_of_the_bootstrap():
    table = World(5_000).predictions(1)
    normal = normal_interval(gap_of(table), gap_influences(table))
    drawn = percentile_interval(bootstrap_gaps(table, 1000))
    assert normal.high - normal.low == pytest.approx(drawn.high - drawn.low, rel=0.1)
    assert (normal.low, normal.high) == pytest.approx((drawn.low, drawn.high), abs=0.1 * (drawn.high - drawn.low))


def test_widths_of_a_difference_are_those_of_the_bootstrap_in_pairs():
    world = World(5_000)
    a, b = world.predictions(1), world.predictions(2)
    drawn = bootstrap_gaps(b, 300) - bootstrap_gaps(a, 300)
    assert standard_error(gap_influences(b) - gap_influences(a)) == pytest.approx(drawn.std(), rel=0.12)


def test_of_intervals_of_many_samples_95_percent_hold_the_truth():
    truth = gap_of(World(40_000, 25, seed=99).predictions(1))
    held = 0
    for seed in range(100):
        table = World(500, 25, seed).predictions(1)
        interval = normal_interval(gap_of(table), gap_influences(table))
        held += interval.low <= truth <= interval.high
    assert 88 <= held <= 99


def test_bins_ascend_and_tell_confidences_apart_near_zero_and_near_one():
    values = np.array([0, 1e-30, 1e-9, 1.01e-9, 1e-3, 0.4999, 0.5, 0.501, 0.999, 0.99999, 0.9999999, 1], np.float32)
    bins = confidence_bins(values)
    assert (np.diff(bins) > 0).all()
    assert (bins[0], bins[-1]) == (0, 2 * HALF_BIN)
    assert confidence_bins(np.array([-0.0], np.float32))[0] == 0
    drawn = np.sort(np.random.default_rng(0).random(100_000, np.float32))
    assert (np.diff(confidence_bins(drawn)) >= 0).all()
    with pytest.raises(InputError, match="is not between 0 and 1"):
        confidence_bins(np.array([0.5, np.nan], np.float32))


def test_saturated_confidences_are_told_apart():
    """A model that is always sure: its order lies in the last bits below 1."""
    world = World(300)
    logits = world.seen + 8
    table = predictions_of((1 / (1 + np.exp(-logits))).astype(np.float32), world.labels)
    assert table.top_confidences.min() > 0.98
    assert np.corrcoef(gap_influences(table), left_out(table, gap_of))[0, 1] > 0.9999


def test_perfect_predictions_have_no_width_and_a_single_video_says_nothing():
    labels = np.eye(6, 30, dtype=bool)
    table = predictions_of(labels.astype(np.float32), labels)
    assert gap_influences(table) == pytest.approx(0, abs=1e-12)
    one = taken(table, np.array([0]))
    interval = normal_interval(gap_of(one), gap_influences(one))
    assert (interval.low, interval.high) == (0, 1)


def test_without_labels_there_is_no_influence():
    zeros = average_precision_influences(np.array([[3], [4]]), np.zeros((2, 1), bool), np.zeros(2, np.int64))
    assert zeros.tolist() == [0, 0]
    nothing = np.zeros(0, np.int64)
    none = average_precision_influences(nothing, nothing.astype(bool), np.ones(2, np.int64), nothing)
    assert none.tolist() == [0, 0]


def test_pairs_may_come_in_any_order_with_their_owners():
    table = World(50).predictions(1)
    bins = confidence_bins(table.top_confidences)
    hits = hits_in_top(table.label_ranks, table.bounds, 20).ravel()
    order = np.random.default_rng(0).permutation(len(bins))
    mixed = average_precision_influences(bins[order], hits[order], table.labels_per_video, order // 20)
    assert mixed == pytest.approx(gap_influences(table), abs=1e-15)


def test_too_few_places_are_refused():
    with pytest.raises(InputError, match="GAP@20 needs 20; predict again with --top 20"):
        gap_influences(predictions_of(World(10).seen.clip(0, 1), World(10).labels, top=5))


def test_a_handful_of_videos_say_nothing_of_others():
    """Two hits of two would have left no width."""
    influences = np.zeros(100)
    for videos in (2, LEAST_VIDEOS - 1):
        interval = normal_interval(1.0, influences, videos=videos)
        assert (interval.low, interval.high) == (0, 1)
    assert normal_interval(0.5, np.zeros(LEAST_VIDEOS - 1), least=-1.0).low == -1
    assert normal_interval(0.5, np.zeros(LEAST_VIDEOS)).low == 0.5


@pytest.mark.parametrize("share", [0.7, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("videos", [30, 100, 300])
def test_the_interval_of_a_share_covers_exactly_as_often_as_it_says(share, videos):
    covered = 0.0
    for hits in range(videos + 1):
        interval = share_interval(hits / videos, videos)
        assert 0 <= interval.low < interval.high <= 1
        if interval.low <= share <= interval.high:
            covered += comb(videos, hits) * share**hits * (1 - share) ** (videos - hits)
    assert 0.92 <= covered <= 0.99


def test_the_interval_of_a_share_of_many_is_the_normal_one():
    hits = np.arange(20_000) % 5 > 0
    normal = normal_interval(0.8, (hits - 0.8) / len(hits))
    interval = share_interval(0.8, len(hits))
    assert (interval.low, interval.high) == pytest.approx((normal.low, normal.high), abs=1e-4)
    nothing = share_interval(0.0, 0)
    assert (nothing.low, nothing.high) == (0, 1)
