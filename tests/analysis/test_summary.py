import copy

import pytest

from yt8m.analysis.analyze import analyze
from yt8m.analysis.summary import summarize


@pytest.fixture
def findings(case, training_index, vocabulary, tmp_path):
    index = training_index([labels for labels in case.lists for _ in range(5)])
    return analyze(case.path, tmp_path / "out", index=index, vocabulary=vocabulary())


def sentence(findings, word):
    return next((text for text in summarize(findings) if word in text), None)


def test_the_first_sentence_is_the_score(findings):
    assert summarize(findings)[0].startswith(f"GAP@20 is {findings['metrics']['gap']:.3f} over 250 videos")


def test_misses_stand_beside_the_papers(findings):
    ours = findings["missed"]["ours"]
    text = sentence(findings, "in the paper")
    assert text.startswith(f"{ours['missed']} videos ({100 * ours['missed_share']:.1f}")
    assert "10.6" in text


def test_the_most_missed_labels_are_named(findings):
    row = findings["most_missed"][0]
    assert f"{row['name']} ({row['missed']} of {row['positives']})" in sentence(findings, "Most often missed")


@pytest.mark.parametrize(("missed", "expected"), [(30, "but 75.0"), (11, "not missed notably more often")])
def test_rare_labels_are_blamed_only_when_the_figures_say_so(findings, missed, expected):
    findings["by_training_count"] = [
        {"last": 99, "positives": 100, "missed": missed},
        {"last": 999, "positives": 100, "missed": 10},
    ]
    assert expected in sentence(findings, "fewer than 100 training videos")


def test_calibration_is_praised_only_when_it_is_good(findings):
    good = copy.deepcopy(findings)
    good["calibration"] = {"expected_error": 0.001, "mean_confidence": 0.1, "share_true": 0.1, "bins": []}
    assert "mean what they say" in sentence(good, "Confidences")
    good["calibration"]["expected_error"] = 0.05
    good["calibration"]["mean_confidence"] = 0.14
    assert "4.0 points too high" in sentence(good, "Confidences")
