"""Each sentence of the answers, and none that the figures do not carry."""

from typing import Any

import pytest

from yt8m.paper.answers import answer, answers
from yt8m.paper.experiments import load_paper
from yt8m.paper.judge import FAILS, HOLDS, NOT_RUN, OPEN
from yt8m.paper.work import not_run

EXPERIMENTS = load_paper("sample").experiments


def row(first: int, last: int | None, difference: float, verdict: str) -> dict[str, Any]:
    return {"first": first, "last": last, "a": 0.5, "b": 0.5 + difference, "difference": difference,
            "interval": [difference - 0.01, difference + 0.01], "verdict": verdict}  # fmt: skip


def cause(name: str, before: float, after: float, verdict: str) -> dict[str, Any]:
    return {"cause": name, "a": before, "b": after, "difference": after - before, "interval": [0, 1],
            "verdict": verdict}  # fmt: skip


def difference(verdict: str = "cannot tell", agrees: str = OPEN, **others: Any) -> dict[str, Any]:
    return {
        "ours": {"difference": 0.001}, "interval": [-0.004, 0.006], "verdict": verdict, "agrees": agrees,
        "examples": {"paper": 1000.0, "tripled": 2000.0, "rare-first": 1000.0},
        "curves": {name: [{"epoch": [2.0, 2.5], "validation_gap": [0.5, 0.5 + rise]}]
                   for name, rise in (("paper", 0.001), ("tripled", 0.03), ("rare-first", -0.1))},
        "buckets": [row(0, 299, 0.0, "cannot tell")], "causes": [cause("Confused", 10, 10, "cannot tell")], **others,
    }  # fmt: skip


def test_what_cannot_be_told_is_not_called_better_or_worse() -> None:
    said = answer(EXPERIMENTS["section-3.3-tripled"], difference())
    assert "+0.00100" in said
    assert "−0.00400" in said or "-0.00400" in said
    assert "50 times the paper's difference" in said
    assert "No part by label frequency can be told to differ." in said
    assert "better" not in said
    assert "worse" not in said


def test_what_rebalancing_gives_and_takes_is_said_by_frequency_and_by_cause() -> None:
    rows = [row(0, 299, -0.02, "worse"), row(300, 977, 0.0, "cannot tell"), row(978, None, 0.03, "better")]
    causes = [cause("Confused", 100, 120, "worse"), cause("Hidden", 50, 40, "better"), cause("Other", 5, 5,
                                                                                          "cannot tell")]  # fmt: skip
    result = difference("worse", HOLDS, buckets=rows, causes=causes, interval=[-0.03, -0.01])
    said = answer(EXPERIMENTS["figure-4"], result)
    assert "gains 0.0300 on labels 978 and up" in said
    assert "loses 0.0200 on labels 0–299" in said
    assert "on labels 300–977 it cannot be told" in said
    assert "confused 120 instead of 100" in said
    assert "hidden 40 instead of 50" in said
    assert "other 5" not in said


def test_a_statement_of_ours_is_not_put_into_the_paper_s_mouth() -> None:
    result = difference(examples={"as-long": 2000.0, "tripled": 2000.0})
    result["curves"] |= {"as-long": result["curves"]["paper"]}
    assert "“" not in answer(EXPERIMENTS["section-3.3-control"], result)
    assert "“To show" in answer(EXPERIMENTS["section-3.3-tripled"], difference())


def test_a_run_that_read_more_examples_is_said_to_have() -> None:
    assert "read 2.0 times as many examples" in answer(EXPERIMENTS["section-3.3-tripled"], difference())
    assert "times as many examples" not in answer(EXPERIMENTS["figure-4"], difference())


def test_a_training_that_was_not_at_its_end_is_said_to_be_so() -> None:
    said = answer(EXPERIMENTS["section-3.3-tripled"], difference())
    assert "still rising when training ended: by 0.0300 in the last 0.5 epochs of tripled." in said
    assert "rising" not in answer(EXPERIMENTS["figure-4"], difference())


def test_a_peak_is_given_with_the_grid_it_was_looked_for_on() -> None:
    result = {
        "ours": {"peak_epoch": 2.5, "difference": -0.01},
        "interval": {"peak_epoch": [2.5, 3.0], "difference": [-0.02, -0.005]}, "verdict": "worse", "agrees": HOLDS,
        "step": 0.5, "last_epoch": 5.0, "training_gap": [0.7, 0.75],
    }  # fmt: skip
    said = answer(EXPERIMENTS["figure-1"], result)
    assert "highest at 2.5 epochs, looked at every 0.5 (by seed: between 2.5 and 3)" in said
    assert "worse" in said
    assert "the last" not in said
    assert "2.5 epochs, the last, looked at" in answer(EXPERIMENTS["figure-1"], {**result, "last_epoch": 2.5})
    assert "Training GAP goes from 0.7000 to 0.7500 in that time." in said


def test_every_experiment_has_its_place_and_only_one() -> None:
    results = {name: not_run("no shards") for name in EXPERIMENTS}
    found = answers(EXPERIMENTS, results)
    assert list(found) == [HOLDS, FAILS, OPEN, NOT_RUN]
    assert len(found[NOT_RUN]) == len(EXPERIMENTS)
    assert all("no shards" in sentence for sentence in found[NOT_RUN])


@pytest.mark.parametrize("name", ["figure-3"])
def test_an_exact_figure_is_called_exact(name: str) -> None:
    result = {"ours": {"below_900": 0.8919}, "verdict": "exact", "agrees": HOLDS, "occurrences": 11_711_620,
              "interval": None}  # fmt: skip
    assert "exact over 11,711,620 label occurrences: 89.2" in answer(EXPERIMENTS[name], result)


def test_shares_are_given_with_their_intervals_and_why_they_do_not_suffice() -> None:
    keys = ("missed_share", "one_label_share", "four_or_more_share")
    result = {
        "ours": dict(zip(keys, (0.4, 0.17, 0.45), strict=True)),
        "interval": dict(zip(keys, ([0.38, 0.42], [0.14, 0.2], [0.42, 0.48]), strict=True)),
        "all_videos": {"one_label_share": 0.24, "four_or_more_share": 0.33}, "videos": 2952, "agrees": OPEN,
        "verdict": {},
    }  # fmt: skip
    said = answer(EXPERIMENTS["section-3.3"], result).replace("\N{NO-BREAK SPACE}", " ")
    assert "17.0 % (14.0 % to 20.0 %) have exactly one label (of all videos 24.0 %)" in said
    assert "reach farther than 2 % to either side" in said
    assert "reach farther" not in answer(EXPERIMENTS["section-3.3"], {**result, "agrees": HOLDS})
