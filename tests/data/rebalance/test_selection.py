"""Selections against plain Python, and their errors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.node import Node
from yt8m.data.rebalance.selection import parse_selection
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError

LISTS = [[0, 1, 2, 3, 980], [0], [978, 1200], [], [5, 977], [2, 1200, 5], [0, 1]]
COUNTS = {label: sum(label in row for row in LISTS) for label in range(1300)}

CASES: list[tuple[Any, Callable[[list[int]], bool]]] = [
    ("all", lambda row: True),
    ({"label_index": {"above": 977}}, lambda row: any(label > 977 for label in row)),
    ({"label_index": {"below": 2}}, lambda row: any(label < 2 for label in row)),
    ({"label_index": {"at_least": 3, "at_most": 5}}, lambda row: any(3 <= label <= 5 for label in row)),
    ({"label_index": 5}, lambda row: 5 in row),
    ({"label_index": [5, 1200]}, lambda row: 5 in row or 1200 in row),
    ({"num_labels": 1}, lambda row: len(row) == 1),
    ({"num_labels": {"at_least": 3}}, lambda row: len(row) >= 3),
    ({"num_labels": [0, 2]}, lambda row: len(row) in (0, 2)),
    ({"label_frequency": {"below": 2}}, lambda row: any(COUNTS[label] < 2 for label in row)),
    ({"label_frequency": {"above": 2}}, lambda row: any(COUNTS[label] > 2 for label in row)),
    ({"label_share": {"at_least": 0.4}}, lambda row: any(COUNTS[label] / len(LISTS) >= 0.4 for label in row)),
    ({"any": [{"num_labels": 1}, {"num_labels": {"at_least": 4}}]}, lambda row: len(row) == 1 or len(row) >= 4),
    ({"all": [{"label_index": 0}, {"label_index": 1}]}, lambda row: 0 in row and 1 in row),
    ({"not": {"label_index": {"above": 977}}}, lambda row: all(label <= 977 for label in row)),
    ({"ids": ["AAAB", "AAAD"]}, lambda row: row in ([0], [])),
]


@pytest.mark.parametrize(("value", "holds"), CASES)
def test_a_selection_selects_what_it_says(
    make_index: Callable[[list[list[int]]], VideoIndex], value: Any, holds: Callable[[list[int]], bool]
) -> None:
    selection = parse_selection(Node(value, "my.yaml", "select"))
    assert selection.videos(Facts(make_index(LISTS))).tolist() == [holds(row) for row in LISTS]


def test_ids_of_a_file_beside_the_recipe(
    make_index: Callable[[list[list[int]]], VideoIndex], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ids.txt").write_text("AAAA\nAAAG\nnone\n")
    selection = parse_selection(Node({"ids": "ids.txt"}, str(tmp_path / "my.yaml"), "select"))
    assert selection.videos(Facts(make_index(LISTS))).nonzero()[0].tolist() == [0, 6]
    assert "my.yaml: select.ids: 1 of 3 ids are not in the index" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("rare", r"my.yaml: select is 'rare'; give `all` or a mapping of one key: label_index, label_frequency"),
        ({"label": 3}, "my.yaml: unknown key 'label' in select; the keys are label_index, .*, num_labels"),
        ({"label_index": 3, "num_labels": 1}, "give exactly one of label_index"),
        ({"label_index": {"over": 3}}, "unknown key 'over' in select.label_index; the keys are above, below"),
        ({"label_index": {}}, "give at least one of above, below, at_least, at_most"),
        ({"label_index": {"above": -1}}, "select.label_index.above is -1; give a number of at least 0"),
        ({"label_index": {"above": float("nan")}}, "select.label_index.above is nan; give a number"),
        ({"num_labels": "one"}, "select.num_labels is 'one'; give a number, a list of numbers, or a mapping"),
        ({"any": []}, r"select.any is \[\]; give a list of selections"),
        ({"any": [{"num_labels": True}]}, r"select.any\[0\].num_labels is True"),
        ({"ids": "nowhere.txt"}, "nowhere.txt: no such file; select.ids of .*my.yaml must name a file of one video id"),
        ({"ids": ["zzzz"]}, "none of these ids is in the index"),
        ({"ids": [7]}, r"select.ids\[0\] is 7; give a line of text"),
    ],
)
def test_a_wrong_selection_is_named(
    make_index: Callable[[list[list[int]]], VideoIndex], tmp_path: Path, value: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse_selection(Node(value, str(tmp_path / "my.yaml"), "select")).videos(Facts(make_index(LISTS)))
