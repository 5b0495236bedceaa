import numpy as np
import pytest

from tests.drawn import World, predictions_of
from yt8m.evaluation.comparison import taken
from yt8m.evaluation.comparison.labels import LEAST_POSITIVES, holm, label_differences, p_values
from yt8m.evaluation.influence import standard_error
from yt8m.evaluation.scored_predictions import ScoredPredictions, measured


def scored(table):
    return ScoredPredictions(table, measured(table, "p.parquet"))


def left_out(a, b):
    """What the differences of the average precisions [n, V] and of the MAPs [n] lose without each video."""
    rows = np.arange(len(a.predictions))

    def of(some):
        values = [scored(taken(side.predictions, some)).average_precisions for side in (a, b)]
        return values[1] - values[0]

    whole = of(rows)
    lost = np.array([whole - of(np.delete(rows, row)) for row in rows])
    return lost, np.nanmean(lost, axis=1)


def test_errors_are_those_of_leaving_out_each_video():
    world = World(400, 30)
    a, b = scored(world.predictions(1)), scored(world.predictions(2))
    found = label_differences(a, b)
    lost, of_map = left_out(a, b)
    n = len(lost)
    frequent = a.positives >= LEAST_POSITIVES
    assert frequent.sum() >= 8
    jackknife = np.sqrt((n - 1) / n * np.square(lost - lost.mean(axis=0)).sum(axis=0))
    assert found.standard_errors[frequent] == pytest.approx(jackknife[frequent], rel=0.06)
    assert np.corrcoef(found.map_influences, of_map)[0, 1] > 0.99
    assert found.differences == pytest.approx(b.average_precisions - a.average_precisions, nan_ok=True)


@pytest.mark.parametrize("videos", [1, 2, 5])
def test_the_error_of_the_map_holds_labels_of_a_handful_of_videos(videos):
    """The gains of labels are independent here, and so are those of a label's videos."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.eye(60, dtype=bool), videos, axis=0)
    found, gains = [], []
    for _ in range(40):
        sides = []
        for _ in range(2):
            scores = 0.2 * random.random(labels.shape, np.float32) + labels * random.random(
                (len(labels), 1), np.float32
            )
            sides.append(scored(predictions_of((scores / 2).astype(np.float32), labels)))
        both = label_differences(*sides)
        found.append(standard_error(both.map_influences))
        gains.append(both.differences.mean())
    assert np.mean(found) == pytest.approx(np.sqrt(np.mean(np.square(gains))), rel=0.3)


def test_a_model_differs_from_itself_in_no_label():
    table = scored(World(300).predictions(1))
    found = label_differences(table, table)
    assert not found.different.any()
    assert np.nanmax(found.standard_errors) == 0
    assert not found.map_influences.any()


def test_labels_that_one_model_does_not_see_are_called_different():
    world = World(1_500, 40)
    seen = world.predictions(1)
    world.seen[:, 5:8] -= 2 * world.labels[:, 5:8]
    found = label_differences(scored(seen), scored(world.predictions(2)))
    assert set(np.flatnonzero(found.different)) >= {5, 6, 7}
    assert (found.differences[5:8] < 0).all()
    assert not found.different[~found.tested].any()


def test_without_a_true_difference_hardly_any_label_is_called_different():
    wrong = 0
    for seed in range(24):
        world = World(1_000, 40, seed)
        found = label_differences(scored(world.predictions(1)), scored(world.predictions(2)))
        assert found.tested.sum() >= 30
        wrong += found.different.any()
    assert wrong <= 3  # of 24 comparisons of more than 30 labels each


def test_one_video_says_nothing():
    table = scored(World(1, 30).predictions(1))
    found = label_differences(table, table)
    assert np.isinf(found.standard_errors[table.positives > 0]).all()
    assert not found.tested.any()


def test_holm_by_its_definition():
    p = np.array([0.03, 0.001, 0.04, 0.012])
    assert holm(p).tolist() == [False, True, False, True]
    assert holm(np.array([0.02, 0.02])).tolist() == [True, True]
    assert holm(np.array([0.06, 0.001])).tolist() == [False, True]
    assert holm(np.zeros(0)).tolist() == []


def test_p_values_are_those_of_the_normal_distribution():
    found = p_values(np.array([1.959964, -2.575829, 0.0, 0.5]), np.array([1.0, 1.0, 1.0, 0.0]))
    assert found == pytest.approx([0.05, 0.01, 1, 1], abs=1e-6)
