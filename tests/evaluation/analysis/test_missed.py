import numpy as np
import pytest

from yt8m.evaluation.analysis.causes import CAUSES, explain
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.evaluation.analysis.missed import missed_labels, missed_videos, most_confident_wrong, rank_counts


def test_the_papers_counts_by_brute_force(case):
    ours = missed_videos(read_evaluated(case.path))["ours"]
    wrong = [
        labels for video, labels in enumerate(case.lists) if not set(labels) <= set(case.ranking(video)[:20])
    ]  # fmt: skip
    assert ours["videos"] == len(case.lists)
    assert ours["missed"] == len(wrong) > 0
    assert ours["one_label"] == sum(len(labels) == 1 for labels in wrong) > 0
    assert ours["four_or_more"] == sum(len(labels) >= 4 for labels in wrong) > 0
    assert ours["missed_share"] == len(wrong) / len(case.lists)
    assert ours["one_label_share"] == ours["one_label"] / len(wrong)


def test_the_papers_own_figures(case):
    paper = missed_videos(read_evaluated(case.path))["paper"]
    assert paper["missed_share"] == pytest.approx(0.10555, abs=5e-6)
    assert paper["one_label_share"] == pytest.approx(0.18591, abs=5e-6)
    assert paper["four_or_more_share"] == pytest.approx(0.47245, abs=5e-6)


def test_nothing_missed_has_no_shares(make_case):
    found = missed_videos(read_evaluated(make_case([[0.9, 0.1], [0.2, 0.8]], [[0], [0, 1]]).path))
    assert found["ours"]["missed"] == 0
    assert found["ours"]["one_label_share"] is None
    assert found["label_share"] == 0


def test_a_row_for_each_missed_label_by_brute_force(case, vocabulary):
    evaluated = read_evaluated(case.path, None, vocabulary())
    rows = missed_labels(evaluated, explain(evaluated)).to_pylist()
    expected = []
    for video, labels in enumerate(case.lists):
        ranking = case.ranking(video)
        missed = [label for label in labels if ranking.index(label) >= 20]
        wrong = [label for label in ranking[:20] if label not in labels]
        for label in missed:
            expected.append((f"v{video:03d}", label, ranking.index(label) + 1, wrong[0], len(labels), len(missed)))
    keys = ("video_id", "label", "rank", "instead", "labels_in_video", "missed_in_video")
    assert [tuple(row[key] for key in keys) for row in rows] == expected
    for row in rows:
        video = int(row["video_id"][1:])
        assert row["name"] == f"name {row['label']}"
        assert row["instead_name"] == f"name {row['instead']}"
        assert row["confidence"] == case.scores[video, row["label"]]
        assert row["instead_confidence"] == case.scores[video, row["instead"]]
        assert row["needed"] == sorted(case.scores[video])[-20]
        verticals = ("Games", "Sports", "")
        same = verticals[row["label"] % 3] == verticals[row["instead"] % 3] != ""
        assert row["same_vertical"] == same
        assert row["cause"] in CAUSES
        assert (row["blamed"] is None) == (row["cause"] not in ("confused", "annotation_gap"))
        assert row["blamed_name"] == (None if row["blamed"] is None else f"name {row['blamed']}")


def test_a_top_20_without_a_wrong_label_has_nothing_instead(make_case):
    scores = np.linspace(0.9, 0.1, 30)[None]
    case = make_case(scores, [list(range(25))])
    evaluated = read_evaluated(case.path)
    assert most_confident_wrong(evaluated, np.array([0]))[0].tolist() == [-1]
    table = missed_labels(evaluated, explain(evaluated))
    assert table["label"].to_pylist() == [20, 21, 22, 23, 24]
    assert table["instead"].null_count == table["instead_name"].null_count == 5
    assert not any(table["same_vertical"].to_pylist())


def test_ranks_by_brute_force(case):
    rows = rank_counts(read_evaluated(case.path))
    ranks = [case.ranking(video).index(label) + 1 for video, labels in enumerate(case.lists) for label in labels]
    assert [row["first"] for row in rows] == [1, 2, 3, 4, 6, 11, 21, 51]
    for row in rows:
        assert row["labels"] == sum(row["first"] <= rank <= (row["last"] or 60) for rank in ranks)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
