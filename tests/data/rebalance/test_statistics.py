"""Statistics: the paper's numbers on the real data, and every number against counting by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.statistics import build_statistics, compute_statistics
from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.errors import InputError
from yt8m.vocabulary import Vocabulary

MakeIndex = Callable[[list[list[int]]], VideoIndex]
VOCABULARY = Path(__file__).parents[3] / "sample" / "vocabulary.csv"
LISTS = [[0], [0, 1], [0, 1, 2, 3], [978, 1200], [], [2, 1200, 5]]


def test_the_papers_numbers(real_index_file: Path, tmp_path: Path) -> None:
    statistics = build_statistics(real_index_file, tmp_path / "out", vocabulary=VOCABULARY)
    train = statistics["vocabulary"]
    assert train["label_occurrences"] == 11_711_620
    assert round(train["share_below_index"]["900"], 4) == 0.8919
    assert round(train["share_below_index"]["300"], 4) == 0.7629
    assert train["rare_label_occurrences"] == 1_169_596
    assert statistics["videos"] == 984_618
    assert statistics["label_occurrences"] == 2_964_504
    assert round(statistics["share_videos_with_one_label"], 4) == 0.2461
    assert round(statistics["share_videos_with_four_or_more"], 4) == 0.3407
    assert round(statistics["share_videos_hard"], 4) == 0.5867
    assert round(statistics["share_videos_with_rare_label"], 4) == 0.2424
    assert round(statistics["share_below_index"]["900"], 4) == 0.8921
    assert statistics["top_labels"][0]["name"] == "Game"
    assert json.loads((tmp_path / "out" / "statistics.json").read_text()) == statistics
    assert "<html" in (tmp_path / "out" / "statistics.html").read_text()


def test_every_number_by_hand(make_index: MakeIndex) -> None:
    index = replace(make_index(LISTS), level="frame", num_frames=np.array([1, 9, 10, 230, 300, 301], np.int32))
    names = [f"name {label}" for label in range(1300)]
    vocabulary = Vocabulary(names, ["A"] * 2 + [""] + ["B"] * 1297, np.ones(1300, np.int64))
    statistics = compute_statistics(Facts(index), vocabulary)
    assert statistics["labels_per_video"] == 2
    assert statistics["labels_per_video_histogram"] == {"labels": [0, 1, 2, 3, 4], "videos": [1, 1, 2, 1, 1]}
    assert statistics["share_below_index"] == {"300": 9 / 12, "900": 9 / 12}
    assert statistics["share_videos_hard"] == pytest.approx(2 / 6)
    assert (statistics["rare_label_occurrences"], statistics["share_videos_with_rare_label"]) == (3, 2 / 6)
    assert statistics["distinct_labels"] == 7
    assert [row["label"] for row in statistics["top_labels"][:3]] == [0, 1, 2]
    assert statistics["bottom_labels"][0] == {"label": 978, "name": "name 978", "videos": 1, "share": 1 / 6}
    frames = statistics["frames_per_video"]
    assert (frames["min"], frames["median"], frames["max"], frames["total"]) == (1, 120, 301, 851)
    assert dict(zip(frames["histogram"]["edges"], frames["histogram"]["videos"], strict=False))[0] == 2
    assert sum(frames["histogram"]["videos"]) == 6
    verticals = {row["vertical"]: row for row in statistics["verticals"]}
    assert verticals["A"] == {
        "vertical": "A", "labels": 2, "label_occurrences": 5, "videos": 3, "share_of_videos": 0.5,
    }  # fmt: skip
    assert verticals["(none)"]["label_occurrences"] == 2
    assert verticals["B"]["videos"] == 3
    pair = statistics["co_occurrence"]["pairs"][0]
    assert pair == {
        "labels": [0, 1],
        "names": ["name 0", "name 1"],
        "videos": 2,
        "lift": pytest.approx(2 * 6 / (3 * 2)),
    }


def test_cumulative_shares_rise_to_one_and_hold_the_cuts(make_index: MakeIndex, real_index: VideoIndex) -> None:
    statistics = compute_statistics(Facts(real_index.take(np.arange(20_000))))
    for curve in statistics["cumulative_share"].values():
        assert np.all(np.diff(curve["share"]) >= 0)
        assert (curve["share"][0], curve["share"][-1]) == (0, 1)
        assert {300, 900, 978} <= set(curve["labels"])
    by_index, by_rank = (statistics["cumulative_share"][name] for name in ("by_index", "by_rank"))
    assert by_index["share"][by_index["labels"].index(900)] == statistics["share_below_index"]["900"]
    assert np.all(np.array(by_rank["share"]) >= np.array(by_index["share"]) - 1e-12)


def test_an_index_without_labels_has_no_shares(make_index: MakeIndex, tmp_path: Path) -> None:
    write_index(tmp_path / "i", make_index([[], []]))
    statistics = build_statistics(tmp_path / "i", tmp_path / "out", vocabulary=VOCABULARY)
    assert statistics["label_occurrences"] == 0
    assert statistics["share_below_index"] == {"300": None, "900": None}
    assert statistics["imbalance"] == {"gini": 0.0, "head_tail_ratio": None}
    assert (statistics["top_labels"], statistics["co_occurrence"]["pairs"]) == ([], [])


def test_wrong_input_is_named(make_index: MakeIndex, tmp_path: Path) -> None:
    write_index(tmp_path / "foreign", make_index([[4715]]))
    write_index(tmp_path / "empty", make_index([]))
    with pytest.raises(InputError, match=r"label 4715 is not among the 3862 of .*vocabulary.csv"):
        build_statistics(tmp_path / "foreign", tmp_path / "out", vocabulary=VOCABULARY)
    with pytest.raises(InputError, match="the index holds no video"):
        build_statistics(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()
