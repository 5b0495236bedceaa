"""The GAP with a cause cured, against the metric over changed predictions."""

import numpy as np
import pytest

from yt8m.evaluation.analysis.causes import CAUSES, Explained, explain
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.evaluation.analysis.gap_at_stake import GapAtStake, places_of_wrong, typical_confidences
from yt8m.evaluation.metrics import gap


@pytest.fixture
def evaluated(make_random_case):
    return read_evaluated(make_random_case(videos=300, classes=90).path)


def typical_of(evaluated, label):
    found = sorted(evaluated.top_confidences[evaluated.hits & (evaluated.top_labels == label)].tolist())
    found = found if len(found) >= 5 else sorted(evaluated.top_confidences[evaluated.hits].tolist())
    return found[(len(found) - 1) // 2]


def gap_when_found(evaluated, chosen):
    """One missed label after the other, by rank, into the place of the least confident wrong one that is left."""
    confidences, hits = evaluated.top_confidences.copy(), evaluated.hits.copy()
    labels, ranks = (values[evaluated.missed] for values in (evaluated.predictions.labels,
                                                             evaluated.predictions.label_ranks))  # fmt: skip
    for i in sorted(np.flatnonzero(chosen), key=lambda i: ranks[i]):
        row = evaluated.missed_rows[i]
        left = [place for place in range(20) if not hits[row, place]]
        if left:
            hits[row, left[-1]] = True
            confidences[row, left[-1]] = max(confidences[row, left[-1]], typical_of(evaluated, labels[i]))
    return gap(confidences, hits, len(evaluated.predictions.labels))


def test_nothing_cured_is_the_gap_itself(evaluated):
    chosen = np.zeros(len(evaluated.missed_rows), np.bool_)
    assert GapAtStake(evaluated).when_found(chosen) == evaluated.result["gap"]


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_found_labels_by_brute_force(evaluated, share):
    chosen = np.random.default_rng(1).random(len(evaluated.missed_rows)) < share
    expected = gap_when_found(evaluated, chosen)
    assert expected > evaluated.result["gap"]
    assert GapAtStake(evaluated).when_found(chosen) == pytest.approx(expected, abs=1e-12)


def test_each_cause_is_cured_alone(evaluated):
    explained = explain(evaluated)
    for cause, cured in enumerate(GapAtStake(evaluated).cured(explained)):
        if CAUSES[cause] != "annotation_gap":
            assert cured == pytest.approx(gap_when_found(evaluated, explained.causes == cause), abs=1e-12)


def test_a_gap_that_is_cured_is_a_hit_and_one_more_label(evaluated):
    """Some of the missed labels blame the first wrong label of their video; a video's is counted once."""
    rows = evaluated.missed_rows
    blamed = evaluated.top_labels[rows, np.argmin(evaluated.hits[rows], axis=1)]
    causes = np.where(np.arange(len(rows)) % 3 == 0, CAUSES.index("other"), CAUSES.index("annotation_gap"))
    hits = evaluated.hits.copy()
    for row, label, cause in zip(rows, blamed, causes, strict=True):
        if CAUSES[cause] == "annotation_gap":
            hits[row, evaluated.top_labels[row] == label] = True
    more = int(hits.sum() - evaluated.hits.sum())
    expected = gap(evaluated.top_confidences, hits, len(evaluated.predictions.labels) + more)
    explained = Explained(causes.astype(np.int8), blamed, None)
    assert 0 < more < np.count_nonzero(causes == CAUSES.index("annotation_gap"))
    assert GapAtStake(evaluated).when_true(explained) == pytest.approx(expected, abs=1e-12)


def test_a_video_without_a_wrong_label_keeps_its_misses(make_case):
    case = make_case(np.linspace(0.9, 0.1, 30)[None], [list(range(25))])
    evaluated = read_evaluated(case.path)
    assert GapAtStake(evaluated).when_found(np.ones(5, np.bool_)) == evaluated.result["gap"]


def test_typical_confidences_by_brute_force(evaluated):
    typical = typical_confidences(evaluated)
    assert typical.tolist() == pytest.approx([typical_of(evaluated, label) for label in range(90)])


def test_a_model_that_finds_nothing_has_no_typical_confidence(make_case):
    scores = np.tile(np.linspace(0.9, 0.1, 60), (3, 1))
    evaluated = read_evaluated(make_case(scores, [[40]] * 3).path)
    assert typical_confidences(evaluated).tolist() == [0] * 60
    assert GapAtStake(evaluated).when_found(np.ones(3, np.bool_)) > 0


def test_places_run_from_the_last_wrong_one_upwards():
    hits = np.array([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]], np.bool_)
    assert places_of_wrong(hits, np.array([0, 0, 0, 1, 2, 2])).tolist() == [3, 1, -1, -1, 2, 1]
