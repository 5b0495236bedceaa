from typing import Any

import pytest

from yt8m.paper.experiments import load_paper
from yt8m.paper.judge import FAILS, HOLDS, OPEN, _matches, _peaks_there, agreement, agreement_of_all
from yt8m.paper.scores import Estimate

EXPERIMENTS = load_paper("sample").experiments


def estimate_of(value: float, margin: float) -> Estimate:
    return Estimate(value, value - margin, value + margin, [value], margin / 2, None)


@pytest.mark.parametrize(
    ("verdict", "expected", "agrees"),
    [
        ("better", "better", HOLDS),
        ("worse", "better", FAILS),
        ("cannot tell", "better", OPEN),
        ("worse", "worse", HOLDS),
    ],
)
def test_a_statement_holds_only_where_the_verdict_is_the_paper_s(verdict: str, expected: str, agrees: str) -> None:
    assert agreement(verdict, expected) == agrees


def test_of_several_statements_one_that_fails_decides_and_then_one_that_is_open() -> None:
    expected = {"a": "worse", "b": "better"}
    assert agreement_of_all({"a": "worse", "b": "better"}, expected) == HOLDS
    assert agreement_of_all({"a": "cannot tell", "b": "better"}, expected) == OPEN
    assert agreement_of_all({"a": "cannot tell", "b": "worse"}, expected) == FAILS


@pytest.mark.parametrize(
    ("peak", "verdict", "agrees"),
    [
        (2.5, "worse", HOLDS),
        (3.0, "worse", HOLDS),
        (2.5, "cannot tell", OPEN),
        (1.5, "worse", OPEN),  # it falls after 2.5 epochs; whether it fell before is not tested
        (5.0, "better", FAILS),
        (2.5, "better", FAILS),
    ],
)
def test_where_a_curve_peaks_is_told_by_the_test_after_the_paper_s_peak(peak: float, verdict: str, agrees: str) -> None:
    assert _peaks_there(EXPERIMENTS["figure-1"], peak, verdict, (0.5, 0.6)) == agrees


def test_a_peak_where_training_gap_falls_as_well_is_not_the_paper_s() -> None:
    assert _peaks_there(EXPERIMENTS["figure-1"], 2.5, "worse", (0.6, 0.5)) == OPEN


@pytest.mark.parametrize(
    ("one", "margin", "agrees"), [(0.19, 0.01, HOLDS), (0.19, 0.05, OPEN), (0.25, 0.01, FAILS), (0.25, 0.1, OPEN)]
)
def test_a_share_matches_only_with_a_narrow_interval(one: float, margin: float, agrees: str) -> None:
    published = {"missed_share": 0.1, "one_label_share": 0.186, "four_or_more_share": 0.472}
    estimates = {
        "missed_share": estimate_of(0.5, 0.01),
        "one_label_share": estimate_of(one, margin),
        "four_or_more_share": estimate_of(0.47, margin),
    }
    assert _matches(estimates, published) == agrees


def test_every_experiment_expects_verdicts_that_there_are() -> None:
    for experiment in EXPERIMENTS.values():
        expected: Any = experiment.expected
        values = expected.values() if isinstance(expected, dict) else [expected] if expected else []
        assert set(values) <= {"better", "worse"}
        if isinstance(expected, dict):
            assert set(expected) <= set(experiment.runs)
