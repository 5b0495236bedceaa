import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.confusions import count_confusions, label_table
from yt8m.evaluation.analysis.evaluated import read_evaluated


def table_of(path, *more):
    evaluated = read_evaluated(path, *more)
    return label_table(evaluated, count_confusions(evaluated), explain(evaluated))


def truth_of(case):
    truth = np.zeros(case.scores.shape, int)
    for video, labels in enumerate(case.lists):
        truth[video, labels] = 1
    return truth


def test_average_precision_is_scikit_learns_when_every_pair_counts(make_random_case):
    case = make_random_case(classes=20)
    table, truth = table_of(case.path), truth_of(case)
    for label in range(20):
        expected = average_precision_score(truth[:, label], case.scores[:, label])
        assert table["average_precision"][label] == pytest.approx(expected, abs=1e-9)


def test_average_precision_over_the_pairs_of_the_top_20(case):
    table, truth = table_of(case.path), truth_of(case)
    for label in range(60):
        inside = [video for video in range(len(case.lists)) if label in case.ranking(video)[:20]]
        positives = truth[:, label].sum()
        found = truth[inside, label].sum()
        if not positives:
            assert np.isnan(table["average_precision"][label])
        elif found:
            partial = average_precision_score(truth[inside, label], case.scores[inside, label])
            assert table["average_precision"][label] == pytest.approx(partial * found / positives, abs=1e-9)
        else:
            assert table["average_precision"][label] == 0


def test_counts_and_ratios_by_brute_force(case):
    table = table_of(case.path).to_dict("records")
    for label, row in enumerate(table):
        inside = {video for video in range(len(case.lists)) if label in case.ranking(video)[:20]}
        carriers = {video for video, labels in enumerate(case.lists) if label in labels}
        ranks = [case.ranking(video).index(label) + 1 for video in carriers - inside]
        assert row["positives"] == len(carriers)
        assert row["missed"] == len(ranks)
        assert_ratio(row["precision_at_20"], len(inside & carriers), len(inside))
        assert_ratio(row["recall_at_20"], len(inside & carriers), len(carriers))
        assert_ratio(row["mean_rank_when_missed"], sum(ranks), len(ranks))


def test_confusions_are_named_with_their_strength(case, vocabulary):
    table = table_of(case.path, None, vocabulary())
    evaluated = read_evaluated(case.path)
    confusions = count_confusions(evaluated)
    label = int(confusions["label"].iloc[0])
    first = confusions[confusions["label"] == label].iloc[0]
    assert table["confusions"][label].startswith(f"name {int(first['instead'])} {first['strength']:.2f}; ")


def test_training_counts_are_missing_when_unknown(case, training_index):
    assert table_of(case.path)["training_count"].isna().all()
    assert table_of(case.path, training_index([[3], [3, 4]]))["training_count"][3] == 2


def test_the_main_cause_is_that_of_most_misses(case):
    evaluated = read_evaluated(case.path)
    causes = explain(evaluated).causes.tolist()
    missed = evaluated.predictions.labels[evaluated.missed].tolist()
    for label, cause in enumerate(table_of(case.path)["main_cause"]):
        mine = [CAUSES[c] for c, other in zip(causes, missed, strict=True) if other == label]
        assert cause == (max(CAUSES, key=mine.count) if mine else "")


def assert_ratio(value, over, under):
    if under:
        assert value == pytest.approx(over / under)
    else:
        assert np.isnan(value)
