import numpy as np
import pytest

from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.evaluation.analysis.explanation import WORDS, explanation


@pytest.fixture
def evaluated(make_random_case, training_index, vocabulary):
    case = make_random_case(videos=300, classes=150)
    index = training_index([labels for labels in case.lists for _ in range(5)])
    return read_evaluated(case.path, index, vocabulary(150))


def test_every_missed_label_is_counted_once(evaluated):
    rows = explanation(evaluated, explain(evaluated))["rows"]
    assert [row["cause"] for row in rows] == list(CAUSES)
    assert sum(row["labels"] for row in rows) == evaluated.missed.sum()
    for key in ("share", "hard_share", "one_label_share", "four_or_more_share"):
        assert sum(row[key] for row in rows) == pytest.approx(1)


def test_rows_by_brute_force(evaluated):
    explained = explain(evaluated)
    sizes = evaluated.predictions.labels_per_video[evaluated.missed_rows]
    for cause, row in enumerate(explanation(evaluated, explained)["rows"]):
        mine = [i for i in range(len(sizes)) if explained.causes[i] == cause]
        assert row["labels"] == len(mine)
        assert row["videos"] == len({int(evaluated.missed_rows[i]) for i in mine})
        many = [i for i in range(len(sizes)) if sizes[i] >= 4]
        assert row["four_or_more_share"] == pytest.approx(len(set(mine) & set(many)) / len(many))
        assert row["at_stake"] == pytest.approx(row["gap_if_cured"] - evaluated.result["gap"])


def test_the_first_thing_to_do_has_most_at_stake_and_a_remedy(evaluated):
    found = explanation(evaluated, explain(evaluated))
    best = max((row for row in found["rows"] if row["cause"] != "other"), key=lambda row: row["at_stake"])
    assert found["first"] == best["cause"]
    assert found["all_found"] >= max(row["gap_if_cured"] for row in found["rows"] if row["cause"] != "annotation_gap")


def test_nothing_missed_is_nothing_to_do(make_case):
    evaluated = read_evaluated(make_case([[0.9, 0.1], [0.2, 0.8]], [[0], [1]]).path)
    found = explanation(evaluated, explain(evaluated))
    assert found["first"] is None
    assert all(row["labels"] == 0 and row["share"] is None and row["at_stake"] == 0 for row in found["rows"])


def test_the_threshold_is_named_in_the_meaning(evaluated):
    meaning = {row["cause"]: row["meaning"] for row in explanation(evaluated, explain(evaluated))["rows"]}
    assert meaning["few_examples"] == "trained on in fewer than 20 videos"
    assert explanation(evaluated, explain(evaluated))["rules"]["few_below"] == 20
    unknown = read_evaluated_without_counts(evaluated)
    meaning = {row["cause"]: row["meaning"] for row in explanation(unknown, explain(unknown))["rows"]}
    assert meaning["few_examples"].startswith("not judged")


def read_evaluated_without_counts(evaluated):
    from dataclasses import replace

    return replace(evaluated, labels=replace(evaluated.labels, training_counts=None), training=None)


def test_each_cause_has_words():
    assert len(WORDS) == len(CAUSES)
    assert len(np.unique([words.name for words in WORDS])) == len(CAUSES)
