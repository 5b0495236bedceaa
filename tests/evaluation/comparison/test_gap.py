from dataclasses import replace

import numpy as np
import pytest

from tests.drawn import World
from yt8m.errors import InputError
from yt8m.evaluation.comparison import compare_gap, gap_of, matched, taken
from yt8m.evaluation.influence import NORMAL_95, gap_influences, standard_error


def test_a_model_is_not_told_from_itself():
    table = World(500).predictions(1)
    result = compare_gap(table, table)
    assert (result.difference, result.low, result.high, result.verdict) == (0, 0, 0, "cannot tell")


def test_a_true_difference_is_seen_either_way():
    world = World(2_000)
    weak, strong = world.predictions(1, noise=1.0), world.predictions(2, noise=0.3)
    up, down = compare_gap(weak, strong), compare_gap(strong, weak)
    assert up.difference == pytest.approx(gap_of(strong) - gap_of(weak), abs=1e-12)
    assert (up.verdict, down.verdict) == ("better", "worse")
    assert 0 < up.low < up.difference < up.high
    assert (down.difference, down.low, down.high) == pytest.approx((-up.difference, -up.high, -up.low))


def test_what_both_find_hard_cancels():
    world = World(2_000)
    a, b = world.predictions(1), world.predictions(2)
    result = compare_gap(a, b)
    apart = np.hypot(*(2 * NORMAL_95 * standard_error(gap_influences(table)) for table in (a, b)))
    assert result.high - result.low < 0.6 * apart


def test_of_fifty_pairs_without_a_true_difference_at_most_five_are_called_different():
    verdicts = []
    for seed in range(50):
        world = World(600, 40, seed)
        verdicts.append(compare_gap(world.predictions(1), world.predictions(2)).verdict)
    assert 50 - verdicts.count("cannot tell") <= 5


def test_videos_are_joined_by_their_ids():
    world = World(300)
    a, b = world.predictions(1), world.predictions(2)
    order = np.random.default_rng(0).permutation(300)
    shuffled = taken(b, order)
    assert not np.array_equal(shuffled.video_ids, b.video_ids)
    assert compare_gap(a, shuffled) == compare_gap(a, b)
    joined = matched(a, shuffled)
    for name in ("video_ids", "labels", "label_ranks", "bounds", "top_labels", "top_confidences"):
        assert np.array_equal(getattr(joined, name), getattr(b, name)), name


def other_label(table):
    labels = table.labels.copy()
    labels[0] = next(label for label in range(60) if label not in labels[: table.bounds[1]])
    return replace(table, labels=labels)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: taken(t, np.arange(100)), r"different videos: 200 of the first's 300 .* \(such as 000100\)"),
        (lambda t: replace(t, video_ids=np.char.add(b"x", t.video_ids)), "300 of the second's 300 are not in the fir"),
        (lambda t: taken(t, np.array([0, *range(299)])), "the second predictions list video 000000 twice"),
        (other_label, "video 000000 has other true labels in the second predictions"),
        (lambda t: replace(t, metadata={**t.metadata, "num_classes": 61}), "60 classes, the second of 61"),
        (lambda t: replace(t, top_labels=t.top_labels[:, :5]), "GAP@20 needs 20"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, problem):
    table = World(300).predictions(1)
    with pytest.raises(InputError, match=problem) as caught:
        compare_gap(table, change(table))
    assert "\n" not in str(caught.value)


def test_unlabelled_predictions_are_refused():
    world = World(30)
    world.labels[:] = False
    table = world.predictions(1)
    with pytest.raises(InputError, match=r"none of the 30 videos has labels \(the test partition\?\)"):
        compare_gap(table, table)
