import numpy as np
import pytest

from yt8m.analysis.calibration import calibration
from yt8m.analysis.evaluated import read_evaluated


def test_bins_and_expected_error_by_brute_force(case):
    found = calibration(read_evaluated(case.path))
    pairs = [
        (float(case.scores[video, label]), label in labels)
        for video, labels in enumerate(case.lists)
        for label in case.ranking(video)[:20]
    ]
    error = 0.0
    for row in found["bins"]:
        mine = [(c, hit) for c, hit in pairs if int(np.float32(c) * 20) == round(row["low"] * 20)]
        mean, true = np.mean([c for c, _ in mine]), np.mean([hit for _, hit in mine])
        assert row["pairs"] == len(mine)
        assert row["mean_confidence"] == pytest.approx(mean)
        assert row["share_true"] == pytest.approx(true)
        error += len(mine) * abs(mean - true)
    assert sum(row["pairs"] for row in found["bins"]) == len(pairs)
    assert found["expected_error"] == pytest.approx(error / len(pairs))
    assert found["share_true"] == pytest.approx(np.mean([hit for _, hit in pairs]))


def test_a_confidence_of_one_is_in_the_last_bin(make_case):
    bins = calibration(read_evaluated(make_case([[1.0, 0.0]], [[0]]).path))["bins"]
    assert [(row["low"], row["high"], row["share_true"]) for row in bins] == [(0, 0.05, 0), (0.95, 1, 1)]
