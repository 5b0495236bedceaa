import numpy as np
import pytest

from yt8m.evaluation.evaluate import calibration


def test_bins_and_expected_error_by_brute_force():
    random = np.random.default_rng(0)
    confidences = random.random((200, 20), np.float32) ** 3
    hits = random.random(confidences.shape) < confidences * 0.7
    found = calibration(confidences, hits)
    error = 0.0
    for row in found["bins"]:
        mine = (confidences * 20).astype(int) == round(row["low"] * 20)
        assert row["pairs"] == mine.sum()
        assert row["mean_confidence"] == pytest.approx(confidences[mine].mean(dtype=np.float64))
        assert row["share_true"] == pytest.approx(hits[mine].mean())
        error += mine.sum() * abs(row["mean_confidence"] - row["share_true"])
    assert sum(row["pairs"] for row in found["bins"]) == confidences.size
    assert found["expected_error"] == pytest.approx(error / confidences.size)
    assert found["expected_error"] == pytest.approx(0.3 * confidences.mean(), abs=0.02)
    assert found["share_true"] == pytest.approx(hits.mean())


def test_confidences_that_mean_what_they_say_have_no_error():
    random = np.random.default_rng(0)
    confidences = random.random(100_000, np.float32)
    assert calibration(confidences, random.random(100_000) < confidences)["expected_error"] < 0.01


def test_a_confidence_of_one_is_in_the_last_bin():
    bins = calibration(np.array([1, 0], np.float32), np.array([True, False]))["bins"]
    assert [(row["low"], row["high"], row["share_true"]) for row in bins] == [(0, 0.05, 0), (0.95, 1, 1)]
