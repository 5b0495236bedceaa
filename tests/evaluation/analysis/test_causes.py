"""Each rule by a small case made for it, and all of them against a plain reading of the rules, label by label."""

from functools import cache

import numpy as np
import pytest

from yt8m.evaluation.analysis import causes as module
from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import read_evaluated

CLASSES = 90
TRUE, MISSED, WRONG = 0, 1, 2


@pytest.fixture
def cause_of(make_case, training_index, vocabulary):
    """The cause of one missed label of a video, and the label that is blamed.

    The video has the labels TRUE (found, 0.9) and MISSED; `scores` of other labels stand beside them. Every third label
    from 0 on is of Games, every third from 1 on of Sports, the rest has no vertical.
    """

    def make(scores, missed=MISSED, rank=80, training=(), true=TRUE, found=0.9):
        row = np.linspace(0.02, 0.01, CLASSES)
        row[[true, *scores]] = [found, *scores.values()]
        above = sorted(row[np.arange(CLASSES) != missed], reverse=True)
        row[missed] = (above[rank - 2] + above[rank - 1]) / 2
        lists = [[true, missed]] if true != missed else [[missed]]
        case = make_case([row], lists)
        ordinary = [[label] for label in range(CLASSES) for _ in range(30)]
        evaluated = read_evaluated(case.path, training_index([*ordinary, *training]), vocabulary(CLASSES))
        assert case.ranking(0).index(missed) + 1 == rank
        explained = explain(evaluated)
        return CAUSES[explained.causes[0]], int(explained.blamed[0])

    return make


@pytest.mark.parametrize(("rank", "cause"), [(21, "crowded_out"), (50, "crowded_out"), (51, "other")])
def test_crowded_out_is_rank_21_to_50(cause_of, rank, cause):
    assert cause_of({}, rank=rank) == (cause, -1)


def test_too_few_examples(make_case, training_index):
    row = np.linspace(0.02, 0.01, CLASSES)
    row[0], row[[1, 2]] = 0.9, [0.001, 0.002]
    training = training_index([[0]] * 30 + [[1]] * 19 + [[2]] * 20)
    explained = explain(read_evaluated(make_case([row], [[0, 1, 2]]).path, training))
    assert explained.few_below == 20
    assert [CAUSES[cause] for cause in explained.causes] == ["few_examples", "other"]


def test_the_threshold_of_too_few_grows_with_the_training_set(make_case, training_index):
    row = np.linspace(0.9, 0.01, CLASSES)
    case = make_case([row], [[80]])
    lists = [list(range(60))] * 15_000 + [[80]] * 29
    explained = explain(read_evaluated(case.path, training_index(lists)))
    assert explained.few_below == 30
    assert CAUSES[explained.causes[0]] == "few_examples"


def test_without_training_counts_no_label_has_too_few_examples(case):
    explained = explain(read_evaluated(case.path))
    assert explained.few_below is None
    assert explained.counts[CAUSES.index("few_examples")] == 0


@pytest.mark.parametrize(("confidence", "cause"), [(0.19, "no_signal"), (0.21, "other")])
def test_no_signal_is_a_video_without_a_confident_label(cause_of, confidence, cause):
    assert cause_of({}, found=confidence) == (cause, -1)


@pytest.mark.parametrize(("confidence", "cause"), [(0.34, "no_signal"), (0.41, "crowded_out")])
def test_a_confidence_near_the_prior_is_no_signal_and_nothing_recognised(cause_of, confidence, cause):
    often = [
        [TRUE]
    ] * 700  # a prior of 730 in 3,400 videos, so that 0.2 is said without looking; twice its odds are 0.35
    assert cause_of({}, found=confidence, training=often, rank=30) == (cause, -1)


SAME, OTHER_VERTICAL, UNKNOWN = 4, 3, 2  # beside MISSED = 1, of Sports


@pytest.mark.parametrize(
    ("wrong", "confidence", "cause"),
    [(SAME, 0.21, "confused"), (SAME, 0.19, "other"), (OTHER_VERTICAL, 0.9, "other"), (UNKNOWN, 0.9, "other")],
)
def test_confused_with_a_label_of_the_same_vertical(cause_of, wrong, confidence, cause):
    assert cause_of({wrong: confidence}) == (cause, wrong if cause == "confused" else -1)


def test_labels_without_a_vertical_are_not_alike(cause_of):
    assert cause_of({2: 0.9}, missed=5) == ("other", -1)


@pytest.mark.parametrize(("videos", "cause"), [(4, "confused"), (2, "other")])
def test_confused_with_a_companion(cause_of, videos, cause):
    companions = [[MISSED, UNKNOWN]] * videos  # of 34 videos, a share of 0.12
    assert cause_of({UNKNOWN: 0.4}, training=companions)[0] == cause


def test_a_label_that_comes_with_everything_is_no_companion(cause_of):
    everywhere = [[label, UNKNOWN] for label in range(CLASSES) if label != UNKNOWN for _ in range(30)]
    assert cause_of({UNKNOWN: 0.4}, training=everywhere) == ("other", -1)


def test_the_most_confident_related_label_is_blamed(cause_of):
    assert cause_of({7: 0.3, 4: 0.5, UNKNOWN: 0.8}) == ("confused", 4)


USUAL = [[UNKNOWN, TRUE]] * 40  # of the 70 videos with UNKNOWN


@pytest.mark.parametrize(
    ("confidence", "training", "cause"),
    [(0.51, USUAL, "annotation_gap"), (0.49, USUAL, "other"), (0.51, USUAL[:25], "other")],
)
def test_annotation_gap(cause_of, confidence, training, cause):
    blamed = UNKNOWN if cause == "annotation_gap" else -1
    assert cause_of({UNKNOWN: confidence}, training=training) == (cause, blamed)


def test_a_rival_is_a_confusion_and_no_annotation_gap(cause_of):
    usual = [[SAME, TRUE]] * 40
    assert cause_of({SAME: 0.9}, training=usual) == ("confused", SAME)
    companions = [[SAME, MISSED]] * 8
    assert cause_of({SAME: 0.9}, training=usual + companions) == ("annotation_gap", SAME)


def test_the_missed_label_itself_is_no_witness_of_a_gap(cause_of):
    usual = [[UNKNOWN, MISSED]] * 40
    assert cause_of({UNKNOWN: 0.9}, training=usual) == ("confused", UNKNOWN)


def test_wrong_labels_alone_are_blamed(cause_of):
    """TRUE is found and has the missed label's vertical: that is no confusion."""
    assert cause_of({}, true=4) == ("other", -1)


def plain_reading(case, evaluated, training, verticals):
    """The rules as they are written, one label after the other."""

    @cache
    def counted(*labels):
        return sum(set(labels) <= set(row) for row in training)

    def share(label, given):
        both = counted(label, given)
        return both / counted(given) if both >= 3 else 0

    def companions(one, other):
        chance = counted(one) * counted(other) / len(training)
        return max(share(one, other), share(other, one)) >= 0.1 and counted(one, other) >= 2 * chance

    def told(label, confidence):
        prior = counted(label) / len(training)
        off = prior == 0 or not 0.5 < (confidence / (1 - confidence)) / (prior / (1 - prior)) < 2
        return confidence >= 0.2 and off

    occurrences = sum(map(len, training))
    for video, true in enumerate(case.lists):
        ranking = case.ranking(video)
        said = [(label, case.scores[video, label]) for label in ranking[:20]]
        wrong = [(label, confidence) for label, confidence in said if label not in true]
        for label in true:
            if label in ranking[:20]:
                continue
            alike = {other for other, _ in wrong if verticals[other] == verticals[label] != ""}
            gaps = [
                other for other, confidence in wrong
                if confidence >= 0.5 and any(share(one, other) >= 0.5 for one in true if one != label)
                and (other not in alike or companions(label, other))
            ]  # fmt: skip
            confused = [o for o, confidence in wrong if told(o, confidence) and (o in alike or companions(label, o))]
            if not any(told(one, confidence) for one, confidence in said):
                yield "no_signal", -1
            elif ranking.index(label) < 50:
                yield "crowded_out", -1
            elif counted(label) < max(20, occurrences / 30_000):
                yield "few_examples", -1
            elif gaps:
                yield "annotation_gap", gaps[0]
            elif confused:
                yield "confused", confused[0]
            else:
                yield "other", -1


def test_all_rules_by_a_plain_reading(make_random_case, make_case, training_index, vocabulary, monkeypatch):
    case = make_random_case(videos=300, classes=150, seed=3)
    draws = np.random.default_rng(5)
    some = draws.permutation(300)
    case.scores[some[:60]] *= 0.19  # videos without a confident label
    first = case.scores[some[60:180]].argmax(axis=1)
    case.scores[some[60:180]] **= 9  # with one confident label
    case.scores[some[60:180], first] = 0.9
    case = make_case(case.scores, case.lists)
    training = [labels for labels in case.lists for _ in range(3)]
    evaluated = read_evaluated(case.path, training_index(training), vocabulary(150))
    expected = list(plain_reading(case, evaluated, training, evaluated.labels.verticals))
    assert {cause for cause, _ in expected} == set(CAUSES)
    for chunk in (7, 100_000):
        monkeypatch.setattr(module, "CHUNK", chunk)
        explained = explain(evaluated)
        assert [CAUSES[cause] for cause in explained.causes] == [cause for cause, _ in expected]
        assert explained.blamed.tolist() == [blamed for _, blamed in expected]
