import copy
import re

import pytest

from yt8m.evaluation.analysis.analyze import analyze
from yt8m.evaluation.analysis.summary import summarize, tripling_answer


@pytest.fixture
def findings(full):
    return copy.deepcopy(full.findings)


def sentence(findings, word):
    return next((text for text in summarize(findings) if word in text), None)


def test_the_first_sentence_is_the_score(findings):
    assert summarize(findings)[0].startswith(
        f"GAP@20 is {findings['metrics']['gap']:.3f} (95 % interval {findings['metrics']['gap_low']:.3f} to "
        f"{findings['metrics']['gap_high']:.3f}) over 250 videos"
    )


def test_misses_stand_beside_the_papers(findings):
    ours = findings["missed"]["ours"]
    text = sentence(findings, "in the paper")
    assert text.startswith(f"{ours['missed']} videos ({100 * ours['missed_share']:.1f}")
    assert "10.6" in text


def test_the_most_missed_labels_are_named(findings):
    row = findings["most_missed"][0]
    assert f"{row['name']} ({row['missed']} of {row['positives']})" in sentence(findings, "Most often missed")


def test_the_causes_are_named_by_their_weight(findings):
    text = sentence(findings, "Why labels are missed")
    shares = [float(value) for value in re.findall(r"([\d.]+)\s%", text)]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_the_first_thing_to_do_is_what_has_most_at_stake(findings):
    for row in findings["causes"]["rows"]:
        row["labels"], row["at_stake"], row["gap_if_cured"], row["share"] = 10, 0.01, 0.7, 0.1
    findings["causes"]["first"] = "no_signal"
    text = sentence(findings, "First thing to do")
    assert text.startswith("First thing to do: more frames. 10.0")
    assert "(no signal in the video)" in text
    assert f"GAP@20 would be 0.700 instead of {findings['metrics']['gap']:.3f}." in text


def test_tripling_is_judged_by_the_weights(findings):
    assert "would hardly help" in sentence(findings, "To triple the hard videos")
    weights = [row["weight"] for row in findings["causes"]["tripling"]["causes"] if row["weight"]]
    assert f"weigh {min(weights):.2f} to {max(weights):.2f} times" in sentence(findings, "To triple")
    findings["causes"]["tripling"]["causes"][0]["verdict"] = "perhaps"
    assert "might help" in sentence(findings, "To triple the hard videos")


def test_without_a_training_index_tripling_is_not_judged(case, tmp_path):
    findings = analyze(case.path, tmp_path / "bare")
    assert sentence(findings, "To triple") is None
    assert "--index" in tripling_answer(findings["causes"])


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
