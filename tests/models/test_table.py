"""The table of models: every preset, the published sizes, consistent rows."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from yt8m.errors import InputError
from yt8m.models.table import PUBLISHED, model_table
from yt8m.presets import preset_names

TABLE = model_table()
ROWS = {row["name"]: row for row in TABLE["models"]}


def test_every_preset_and_every_published_size_has_a_row() -> None:
    assert list(ROWS) == [*preset_names(), *PUBLISHED]
    assert [row["preset"] for row in TABLE["models"]] == [True] * len(preset_names()) + [False] * len(PUBLISHED)


def test_the_published_sizes() -> None:
    expected = [
        (274_283_276, 1097.1), (265_010_614, 1060.0), (255_741_814, 1023.0), (290_654_968, 1162.6),
        (287_438_588, 1149.8), (303_549_240, 1214.2), (44_766_824, 179.1), (88_970_274, 355.9), (236_150_889, 944.6),
    ]  # fmt: skip
    assert [(ROWS[name]["parameters"], ROWS[name]["megabytes"]["float32"]) for name in PUBLISHED] == expected


def test_rows_follow_from_the_parameters() -> None:
    for row in ROWS.values():
        for dtype, width in (("float32", 4), ("float16", 2)):
            megabytes = row["parameters"] * width / 1e6
            assert megabytes - 0.05 <= row["megabytes"][dtype] <= 1.01 * megabytes + 0.05  # vectors stay in float32
            assert row["under_limit"][dtype] == (row["megabytes"][dtype] * 1e6 < 2**30)
        assert row["flops"] > 0


def test_the_papers_models_fit_in_float16_only() -> None:
    for name in ("paper-netvlad", "paper-netfv"):
        assert ROWS[name]["under_limit"] == {"float32": False, "float16": True}


def test_fewer_classes_make_smaller_models() -> None:
    small = {row["name"]: row["parameters"] for row in model_table(10)["models"]}
    assert small["logistic"] == 1152 * 10 + 10
    with pytest.raises(InputError, match="the number of classes must be at least 1, got 0"):
        model_table(0)
