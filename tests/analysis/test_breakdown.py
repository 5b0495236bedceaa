import numpy as np
import pytest

from yt8m.analysis.breakdown import by_label_index, by_labels_per_video, by_training_count, by_vertical
from yt8m.analysis.evaluated import read_evaluated


def brute_gap(case, videos, labels):
    """GAP over the pairs of these videos and labels that are in a video's top 20; all confidences differ."""
    pairs, positives = [], 0
    for video in videos:
        for label in case.ranking(video)[:20]:
            if label in labels:
                pairs.append((float(case.scores[video, label]), label in case.lists[video]))
        positives += len(set(case.lists[video]) & set(labels))
    total = found = 0
    for place, (_, hit) in enumerate(sorted(pairs, reverse=True), 1):
        found += hit
        total += hit * found / place
    return total / positives if positives else None, positives


def test_by_number_of_labels(case):
    rows = by_labels_per_video(read_evaluated(case.path))
    assert [row["group"] for row in rows] == ["1", "2", "3", "4–5", "6–7"]
    for row in rows:
        videos = [v for v, labels in enumerate(case.lists) if row["first"] <= len(labels) <= row["last"]]
        expected, positives = brute_gap(case, videos, range(60))
        assert row["videos"] == len(videos)
        assert row["positives"] == positives
        assert row["gap"] == pytest.approx(expected)
        missed = sum(label not in case.ranking(v)[:20] for v in videos for label in case.lists[v])
        assert row["missed"] == missed
        assert row["missed_share"] == pytest.approx(missed / positives)


def test_by_label_index(make_random_case):
    case = make_random_case(videos=60, classes=400)
    rows = by_label_index(read_evaluated(case.path))
    assert [row["group"] for row in rows] == ["0–299", "300–399"]
    for row in rows:
        expected, positives = brute_gap(case, range(60), range(row["first"], row["last"] + 1))
        assert row["labels"] == row["last"] - row["first"] + 1
        assert row["positives"] == positives
        assert row["gap"] == pytest.approx(expected)


def test_by_training_count(case, training_index):
    index = training_index([[0] * 1, [0, 1], *[[2]] * 12])
    evaluated = read_evaluated(case.path, index)
    rows = by_training_count(evaluated)
    groups = {"0": range(3, 60), "1–9": [0, 1], "10–12": [2]}
    assert [row["group"] for row in rows] == list(groups)
    for row in rows:
        labels = list(groups[row["group"]])
        expected, positives = brute_gap(case, range(len(case.lists)), labels)
        assert (row["labels"], row["positives"]) == (len(labels), positives)
        assert row["gap"] == pytest.approx(expected)
        assert row["map"] == pytest.approx(np.nanmean(evaluated.average_precisions[labels]))
    assert [row["training_share"] for row in rows] == pytest.approx([0, 3 / 15, 12 / 15])


def test_by_vertical(case, vocabulary):
    rows = by_vertical(read_evaluated(case.path, None, vocabulary()))
    assert sorted(row["group"] for row in rows) == ["", "Games", "Sports"]
    for row in rows:
        labels = range({"Games": 0, "Sports": 1, "": 2}[row["group"]], 60, 3)
        expected, positives = brute_gap(case, range(len(case.lists)), labels)
        assert row["gap"] == pytest.approx(expected)
        assert row["positives"] == positives


def test_unknown_facts_give_no_groups(case):
    evaluated = read_evaluated(case.path)
    assert by_training_count(evaluated) == []
    assert by_vertical(evaluated) == []


def test_a_group_without_positives_has_no_gap(make_case, training_index):
    case = make_case([[0.9, 0.5, 0.1]], [[0]])
    rows = by_training_count(read_evaluated(case.path, training_index([[0], [0], *[[1]] * 10])))
    assert [(row["group"], row["gap"]) for row in rows] == [("0", None), ("1–9", 1.0), ("10", None)]
