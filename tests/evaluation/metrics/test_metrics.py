import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from yt8m.errors import InputError
from yt8m.evaluation import metrics
from yt8m.evaluation.metrics import Metrics
from yt8m.prediction.top_k import label_ranks, top_k

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = json.loads((GOLDEN / "metrics.json").read_text())
WITH_TIES = {"ties_round1_200x100", "all_zero_predictions_20x50"}


def golden_arrays(name):
    with np.load(GOLDEN / "metrics.npz") as arrays:
        scores = arrays[f"{name}/predictions"]
        labels = np.unpackbits(arrays[f"{name}/labels"], axis=1)[:, : scores.shape[1]]
        return scores, labels, arrays[f"{name}/aps"]


def of_scores(scores, labels, k=20):
    part = Metrics(scores.shape[1], k)
    part.add_scores(scores, labels)
    return part


def columns(scores, labels, k=20):
    """What a predictions file holds: top labels, top confidences, true labels, their ranks, confidences, bounds."""
    rows, true = np.nonzero(labels)
    bounds = np.searchsorted(rows, np.arange(len(labels) + 1))
    return [*top_k(scores, k), true, *label_ranks(scores, true, bounds), bounds]


def precision_sum(hits):
    return sum(np.cumsum(hits)[i] / (i + 1) for i in range(len(hits)) if hits[i])


@st.composite
def score_sets(draw, levels=(2, 5, 1 << 20)):
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 30)), draw(st.integers(1, 40))
    top = draw(st.sampled_from(levels))
    scores = (generator.integers(0, top + 1, shape) / top).astype(np.float32)
    return scores, generator.random(shape) < draw(st.sampled_from([0.0, 0.05, 0.4]))


@pytest.mark.parametrize("name", sorted(set(CASES) - WITH_TIES))
def test_golden_cases_without_ties(name):
    scores, labels, expected_precisions = golden_arrays(name)
    expected, part = CASES[name], of_scores(scores, labels)
    result = part.result()
    assert result["videos"] == len(scores)
    assert result["positives"] == expected["positives"]
    for key, golden_key in {"gap": "gap", "hit_at_1": "hit1", "perr": "perr", "map": "map"}.items():
        assert result[key] == pytest.approx(expected[golden_key] or 0, abs=1e-9), key
    values = part.average_precisions()
    np.testing.assert_allclose(values[~np.isnan(values)], expected_precisions, atol=1e-9)


@pytest.mark.parametrize("name", sorted(WITH_TIES))
def test_golden_cases_with_ties_lie_inside_their_bounds(name):
    scores, labels, precisions = golden_arrays(name)
    part, expected = of_scores(scores, labels), CASES[name]
    worst, best = expected["gap_tie_bounds_worst_best"]
    result = part.result()
    assert worst < result["gap"] < best
    assert result["hit_at_1"] == expected["hit1"]
    assert np.count_nonzero(~np.isnan(part.average_precisions())) == len(precisions)


def test_the_map_of_rare_labels_is_that_of_the_labels_from_977_on():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((30, 990), np.float32), rng.random((30, 990)) < 0.1
    part = of_scores(scores, labels, k=990)
    expected = [average_precision_score(labels[:, c], scores[:, c]) for c in range(977, 990) if labels[:, c].any()]
    assert part.result()["map_rare"] == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("name", sorted(CASES))
def test_functions_agree_with_the_accumulator_to_the_last_bit(name):
    scores, labels, _ = golden_arrays(name)
    part = of_scores(scores, labels)
    top_labels, confidences, _, ranks, own, bounds = columns(scores, labels)
    hits = metrics.hits_in_top(ranks, bounds, top_labels.shape[1])
    np.testing.assert_array_equal(hits, np.take_along_axis(labels, top_labels, axis=1))
    totals = labels.sum(axis=0, dtype=np.int64)
    assert part.result() == {
        "gap": metrics.gap(confidences, hits, int(totals.sum())),
        "map": metrics.mean_average_precision(top_labels, confidences, hits, totals),
        "map_rare": 0.0,
        "hit_at_1": metrics.hit_at_1(hits),
        "perr": metrics.perr(ranks, own, bounds),
        "videos": len(labels),
        "positives": totals.sum(),
    }


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_tied_pairs_count_as_the_mean_over_all_orders(pairs):
    confidences, hits = np.array([c for c, _ in pairs], np.float32), np.array([h for _, h in pairs])
    orders = [
        precision_sum(hits[list(order)])
        for order in itertools.permutations(range(len(hits)))
        if all(confidences[a] >= confidences[b] for a, b in itertools.pairwise(order))
    ]
    assert metrics.gap(confidences, hits, 7) == pytest.approx(np.mean(orders) / 7, abs=1e-12)


@given(score_sets(), st.integers(1, 25))
@settings(max_examples=100, deadline=None)
def test_gap_lies_between_the_worst_and_the_best_order(scores_labels, k):
    scores, labels = scores_labels
    top_labels, confidences, _, ranks, _, bounds = columns(scores, labels, k)
    hits = metrics.hits_in_top(ranks, bounds, top_labels.shape[1]).ravel()
    values = confidences.ravel().astype(np.float64)
    positives = max(int(labels.sum()), 1)
    worst = precision_sum(hits[np.lexsort((hits, -values))]) / positives
    best = precision_sum(hits[np.lexsort((~hits, -values))]) / positives
    assert worst - 1e-12 <= of_scores(scores, labels, k).result()["gap"] <= best + 1e-12


@given(score_sets(levels=(1 << 23,)))
@settings(max_examples=60, deadline=None)
def test_average_precision_with_all_classes_is_that_of_scikit_learn(scores_labels):
    scores, labels = scores_labels
    values = of_scores(scores, labels, k=scores.shape[1]).average_precisions()
    for label in range(scores.shape[1]):
        if labels[:, label].any() and len(np.unique(scores[:, label])) == len(scores):
            expected = average_precision_score(labels[:, label], scores[:, label])
            assert values[label] == pytest.approx(expected, abs=1e-12)
        elif not labels[:, label].any():
            assert np.isnan(values[label])


@given(score_sets(), st.data())
@settings(max_examples=100, deadline=None)
def test_any_order_batching_and_merging_gives_the_same_bits(scores_labels, data):
    scores, labels = scores_labels
    expected = of_scores(scores, labels).result()
    order = np.array(data.draw(st.permutations(range(len(scores)))))
    workers = [Metrics(scores.shape[1]) for _ in range(3)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(scores)), max_size=5)))
    for rows in np.split(order, cuts):
        worker = workers[data.draw(st.integers(0, 2))]
        worker.add_scores(scores[rows], labels[rows])
        if data.draw(st.booleans()):
            worker.result()  # asking early changes nothing
    total = pickle.loads(pickle.dumps(workers[0]))
    total.merge(workers[2])
    total.merge(workers[1])
    assert total.result() == expected
    assert total.result() == expected


def test_no_videos_and_no_labels_score_zero():
    empty = Metrics(5).result()
    assert empty == {"gap": 0.0, "map": 0.0, "map_rare": 0.0, "hit_at_1": 0.0, "perr": 0.0, "videos": 0, "positives": 0}
    part = of_scores(np.full((3, 5), 0.5, np.float32), np.zeros((3, 5)))
    assert part.result() == {**empty, "videos": 3}
    assert metrics.hit_at_1(np.zeros((0, 20), bool)) == 0.0
    assert metrics.gap(np.zeros((0, 20), np.float32), np.zeros((0, 20), bool), 0) == 0.0


def test_a_video_with_more_labels_than_places_cannot_reach_one():
    scores = np.linspace(1, 0.5, 30, dtype=np.float32)[None]
    result = of_scores(scores, np.ones((1, 30))).result()
    assert result["gap"] == pytest.approx(20 / 30)
    assert result["perr"] == 1.0


def test_perr_does_not_count_labels_of_confidence_zero():
    scores = np.array([[0.5, 0.0, 0.0]], np.float32)
    assert of_scores(scores, np.array([[1, 1, 0]])).result()["perr"] == 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.25, 1.5])
def test_a_confidence_that_is_no_probability_is_named_by_row(value):
    scores = np.full((4, 6), 0.5)
    part = of_scores(scores, np.ones((4, 6)))
    before = part.result()
    scores[2, 3] = value
    with pytest.raises(InputError, match=r"row 6: confidence .* is not between 0 and 1"):
        part.add_scores(scores, np.ones((4, 6)))
    assert part.result() == before
    with pytest.raises(InputError, match=r"row 2: confidence"):
        metrics.gap(scores, np.ones((4, 6), bool), 24)
    with pytest.raises(InputError, match=r"row 2: confidence"):
        metrics.average_precisions(np.tile(np.arange(6), (4, 1)), scores, np.ones((4, 6), bool), np.full(6, 4))


def test_the_rounding_of_a_sum_above_one_counts_as_one():
    scores = np.array([[1.0000001, 1.0, 0.2]], np.float32)
    assert of_scores(scores, np.array([[1, 0, 0]])).result()["gap"] == pytest.approx(0.75)  # a tie of two


def changed(arrays, place, row, value):
    arrays = [array.copy() for array in arrays]
    arrays[place][row] = value
    return arrays


def test_contradictions_are_refused_and_change_nothing():
    generator = np.random.default_rng(1)
    arrays = columns(generator.random((3, 30), dtype=np.float32), np.eye(3, 30) + np.eye(3, 30, 1), k=20)
    part = Metrics(30)
    part.add(*arrays)
    before = part.result()
    wrong = {
        "do not descend": changed(arrays, 1, (1, 5), 1.0),
        "lies outside the 30 classes": changed(arrays, 0, (1, 5), 30),
        "outside the 30 classes": changed(arrays, 2, 2, -1),
        "contradict": changed(arrays, 3, 2, 0),
        "listed twice; index the records": changed(arrays, 2, 3, arrays[2][2]),
    }
    wrong["listed twice; index the records"][3][3] = wrong["listed twice; index the records"][3][2]
    for problem, columns_of_file in wrong.items():
        with pytest.raises(InputError, match=f"row 4: .*{problem}"):
            part.add(*columns_of_file)
    with pytest.raises(InputError, match="predict again with --top 20"):
        part.add(arrays[0][:, :10], arrays[1][:, :10], *arrays[2:])
    assert part.result() == before


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.gap(np.zeros((2, 3), np.float32), np.zeros((3, 2), bool), 1)
    with pytest.raises(InputError, match="2 hits among 1 true labels"):
        metrics.gap(np.ones(2, np.float32), np.ones(2, bool), 1)
    with pytest.raises(ValueError, match="must be"):
        Metrics(4).add_scores(np.zeros((2, 5), np.float32), np.zeros((2, 5)))
    with pytest.raises(ValueError, match="do not merge"):
        Metrics(4).merge(Metrics(5))
