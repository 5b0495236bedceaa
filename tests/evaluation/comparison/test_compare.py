import json
import re

import numpy as np
import pytest

from tests.drawn import World
from yt8m.errors import InputError
from yt8m.evaluation.comparison import compare_gap, gap_of, taken
from yt8m.evaluation.comparison.compare import compare, videos_needed
from yt8m.evaluation.comparison.gap import GapDifference
from yt8m.prediction.table import write_predictions

CLASSES = 400


@pytest.fixture
def compared(tmp_path):
    """Compares two models' predictions of the same videos; returns the result and the page."""

    def run(a, b, **options):
        write_predictions(tmp_path / "a.parquet", a)
        write_predictions(tmp_path / "b.parquet", b)
        result = compare(tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "out", **options)
        assert json.loads((tmp_path / "out" / "compare.json").read_text()) == result
        return result, (tmp_path / "out" / "compare.html").read_text()

    return run


@pytest.fixture
def vocabulary(tmp_path):
    rows = [
        f'{label},{10 ** (label % 6)},"<b>name {label}</b>",{("Games", "Sports", "")[label % 3]}'
        for label in range(CLASSES)
    ]
    (tmp_path / "v.csv").write_text("\n".join(["Index,TrainVideoCount,Name,Vertical1", *rows]))
    return tmp_path / "v.csv"


def test_the_whole_and_its_parts_are_those_of_the_scores(compared, vocabulary):
    world = World(600, CLASSES)
    a, b = world.predictions(1, noise=0.9), world.predictions(2, noise=0.3)
    result, _ = compared(a, taken(b, np.random.default_rng(0).permutation(600)), vocabulary=vocabulary)
    whole = compare_gap(a, b)
    assert result["verdict"] == whole.verdict == "better"
    assert (result["difference"], result["low"], result["high"]) == pytest.approx(
        (whole.difference, whole.low, whole.high)
    )
    assert (result["a"]["gap"], result["b"]["gap"]) == pytest.approx((gap_of(a), gap_of(b)))
    assert result["a"]["gap_low"] < result["a"]["gap"] < result["a"]["gap_high"]
    sizes = a.labels_per_video
    for row in result["by_number_of_labels"]:
        chosen = np.flatnonzero((sizes >= row["first"]) & (sizes <= (row["last"] or CLASSES)))
        part = compare_gap(taken(a, chosen), taken(b, chosen))
        assert row["difference"] == pytest.approx(part.difference)
        assert (row["low"], row["high"]) == pytest.approx((part.low, part.high), abs=1e-5)
    for key in ("by_label", "by_training_count", "by_vertical"):
        assert sum(row["positives"] for row in result[key]) == len(a.labels), key
    assert {row["vertical"] for row in result["by_vertical"]} == {"Games", "Sports", ""}
    assert result["metrics"].keys() == {"hit_at_1", "perr", "map", "map_rare"}
    assert result["metrics"]["map"]["verdict"] == "better"


def test_a_model_beside_itself(compared):
    table = World(300, CLASSES).predictions(1)
    result, page = compared(table, table)
    assert (result["verdict"], result["difference"]) == ("cannot tell", 0)
    assert result["labels"]["different"] == 0
    assert not any(row["different"] for row in [*result["by_label"], *result["by_number_of_labels"]])
    assert result["by_vertical"] == result["by_training_count"] == []
    assert "Cannot tell B from A" in page


def test_noise_is_not_reported_as_a_gain(compared):
    world = World(800, CLASSES)
    result, page = compared(world.predictions(1), world.predictions(2))
    assert result["verdict"] == "cannot tell"
    assert result["videos_needed"] > 800
    assert "do not report it as a gain or a loss" in page


def test_the_labels_that_moved_most_are_named_and_escaped(compared, vocabulary):
    world = World(2_000, CLASSES)
    a = world.predictions(1)
    world.seen[:, [8, 9]] += 3 * (world.labels[:, [8, 9]] - 0.5)
    result, page = compared(a, world.predictions(2), vocabulary=vocabulary)
    up = result["labels"]["up"]
    assert {row["label"] for row in up[:2]} == {8, 9}
    assert all(row["different"] for row in up[:2])
    assert up[0]["low"] > 0
    assert all(row["difference"] < 0 for row in result["labels"]["down"])
    assert all(row["positives"] >= result["labels"]["least_positives"] for row in up)
    assert "<b>name" not in page
    assert "&lt;b&gt;name 8&lt;/b&gt;" in page


def test_the_page_has_the_verdict_first_and_needs_nothing_else(compared):
    world = World(1_000, CLASSES)
    _, page = compared(world.predictions(1, noise=1.0), world.predictions(2, noise=0.3, simulated=True))
    first = page.index("B is better")
    assert first < page.index("Difference</dt>") < page.index("Where the difference comes from")
    assert "Simulated frames." in page
    assert not re.search(r"""(src|href)=["'](https?:|//)""", page)
    assert len(page) < 1_000_000


def test_one_video_can_be_compared_and_says_nothing(compared):
    world = World(1, 30)
    world.labels[0, 3] = True
    result, _ = compared(world.predictions(1), world.predictions(2))
    assert (result["verdict"], result["low"], result["high"]) == ("cannot tell", -1, 1)
    assert result["labels"]["tested"] == 0


def test_other_videos_are_refused_and_nothing_is_written(compared, tmp_path):
    table = World(50, CLASSES).predictions(1)
    with pytest.raises(InputError, match="different videos: 40 of the first's 50"):
        compared(table, taken(table, np.arange(10)))
    assert not (tmp_path / "out").exists()


def test_how_many_videos_it_takes():
    unsure = GapDifference(0.01, -0.01, 0.03, "cannot tell")
    assert videos_needed(unsure, 100) == 817  # 4 * ((1.96 + 0.84) / 1.96)^2: 80 % of the cases, 400 would be half
    assert videos_needed(unsure, 20) is None
    assert videos_needed(GapDifference(0.0, 0.0, 0.0, "cannot tell"), 100) is None
    assert videos_needed(GapDifference(0.01, 0.005, 0.015, "better"), 100) is None


def test_parts_of_a_handful_of_videos_are_not_judged(compared):
    world = World(60, CLASSES)
    world.seen += 2 * world.labels * (world.labels.sum(axis=1, keepdims=True) < 3)
    result, page = compared(world.predictions(1, noise=3.0), world.predictions(2, noise=0.1))
    assert result["verdict"] == "better"
    small = [row for row in result["by_number_of_labels"] if row["videos"] < 30]
    assert len(small) >= 3
    for row in small:
        assert not row["tested"]
        assert not row["different"]
        assert (row["low"], row["high"], row["p_value"], row["verdict"]) == (-1, 1, 1, "cannot tell")
    assert page.count("too few videos") == len([r for k in ("by_label", "by_number_of_labels") for r in result[k]
                                                if not r["tested"]])  # fmt: skip
    assert "A part of fewer than 30 videos is not judged" in page


def test_fewer_videos_than_tell_anything_have_no_verdict(compared):
    world = World(29, CLASSES)
    result, page = compared(world.predictions(1, noise=3.0), world.predictions(2, noise=0.1))
    assert (result["verdict"], result["low"], result["high"]) == ("cannot tell", -1, 1)
    assert {row["verdict"] for row in result["metrics"].values()} == {"cannot tell"}
    assert result["videos_needed"] is None
    assert "with fewer there is no verdict" in page


def test_the_page_says_what_a_verdict_is_about_and_what_map_is(compared):
    world = World(300, CLASSES)
    _, page = compared(world.predictions(1), world.predictions(2))
    assert "about these two models, not about the two recipes" in page
    assert "MAP@20 is the mean, over the labels that any of these videos has" in page
    assert "is told with a chance of 80 % by about" in page
