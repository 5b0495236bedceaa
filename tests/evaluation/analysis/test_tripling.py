import numpy as np
import pytest

from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.evaluation.analysis.explanation import is_hard, tripling, weight_growth


def test_hard_videos_have_one_label_or_four_and_more():
    assert is_hard(np.arange(7)).tolist() == [False, True, False, False, True, True, True]


def test_weights_are_those_of_a_training_set_with_hard_videos_three_times(case, training_index):
    evaluated = read_evaluated(case.path, training_index(case.lists))
    tripled = [labels for labels in case.lists for _ in range(3 if len(labels) in (1, 4, 5, 6, 7) else 1)]
    before, after = (np.bincount(np.concatenate([*map(np.array, lists)]).astype(int), minlength=60)
                     for lists in (case.lists, tripled))  # fmt: skip
    with np.errstate(invalid="ignore"):
        expected = (after / after.sum()) / (before / before.sum())
    np.testing.assert_allclose(weight_growth(evaluated), expected)
    training = tripling(evaluated, explain(evaluated))["training"]
    assert training["growth"] == pytest.approx(after.sum() / before.sum())
    assert training["video_share"] == pytest.approx(np.mean([len(labels) in (1, 4, 5, 6, 7) for labels in case.lists]))
    assert np.nanmax(weight_growth(evaluated)) <= training["largest_weight"]


def test_rows_by_brute_force(make_random_case, training_index):
    case = make_random_case(videos=300, classes=150)
    evaluated = read_evaluated(case.path, training_index(case.lists))
    explained, growth = explain(evaluated), weight_growth(evaluated)
    missed = [
        (label, len(labels) == 1 or len(labels) >= 4)
        for video, labels in enumerate(case.lists)
        for label in labels
        if label not in case.ranking(video)[:20]
    ]
    for number, row in enumerate(tripling(evaluated, explained)["causes"]):
        mine = [pair for pair, cause in zip(missed, explained.causes, strict=True) if cause == number]
        assert row["cause"] == CAUSES[number]
        assert row["missed_share"] == (pytest.approx(np.mean([hard for _, hard in mine])) if mine else None)
        assert row["weight"] == (pytest.approx(np.mean([growth[label] for label, _ in mine])) if mine else None)


def test_a_label_of_hard_videos_alone_might_be_helped(make_case, training_index):
    """Label 40 comes alone, all other videos have two labels: its weight grows nearly three times."""
    scores = np.tile(np.linspace(0.9, 0.1, 60), (2, 1))
    training = training_index([[40]] * 30 + [[0, 1]] * 500)
    evaluated = read_evaluated(make_case(scores, [[40], [0, 1]]).path, training)
    row = next(row for row in tripling(evaluated, explain(evaluated))["causes"] if row["weight"])
    assert row["weight"] == pytest.approx(3 / (1 + 2 * 30 / 1030))
    assert (row["cause"], row["verdict"]) == ("crowded_out", "perhaps")


def test_repetition_never_helps_where_there_is_no_signal(make_case, training_index):
    scores = np.tile(np.linspace(0.19, 0.01, 90), (2, 1))
    training = training_index([[80]] * 30 + [[0, 1]] * 500)
    evaluated = read_evaluated(make_case(scores, [[80], [0, 1]]).path, training)
    row = next(row for row in tripling(evaluated, explain(evaluated))["causes"] if row["weight"])
    assert (row["cause"], row["verdict"]) == ("no_signal", "no")


def test_without_a_training_index_nothing_is_said_about_weights(case):
    evaluated = read_evaluated(case.path)
    found = tripling(evaluated, explain(evaluated))
    assert found["training"] is None
    assert all(row["weight"] is None for row in found["causes"])
    assert 0 < found["missed_share"] < 1
