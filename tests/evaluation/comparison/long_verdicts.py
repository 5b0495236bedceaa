"""How often verdicts are false where nothing differs, and true where something does, on real label lists."""

import numpy as np
import pytest

from tests.evaluation.comparison.test_compare import compared
from tests.real_worlds import RealWorld

PAIRS = 100
VOCABULARY = "sample/vocabulary.csv"

__all__ = ["compared"]


@pytest.mark.parametrize("videos", [300, 1_000])
def test_equal_models_are_told_apart_as_often_as_promised(compared, videos):
    false = {"gap": 0, "hit_at_1": 0, "perr": 0, "map": 0, "parts": 0, "labels": 0}
    for seed in range(PAIRS):
        world = RealWorld(videos, seed)
        result, _ = compared(world.predictions(), world.predictions(), vocabulary=VOCABULARY)
        judged = {"gap": result, **result["metrics"]}
        for name, row in judged.items():
            false[name] += row["verdict"] != "cannot tell"
        parts = ("by_number_of_labels", "by_label", "by_training_count", "by_vertical")
        false["parts"] += any(row["different"] for key in parts for row in result[key])
        false["labels"] += result["labels"]["different"] > 0
    assert all(share <= 0.05 * PAIRS + 3 * (0.05 * 0.95 * PAIRS) ** 0.5 for share in false.values()), false
    assert false["labels"] <= 3


def test_the_number_of_videos_that_a_page_names_tells_the_difference_in_80_percent(compared):
    """A planted gain, and from a large sample how many videos it takes; then that many, many times."""
    world = RealWorld(1_500, 99)
    large, _ = compared(world.predictions(), world.predictions(gain=0.6))
    standard_error = (large["high"] - large["low"]) / 2 / 1.96 * 1_500**0.5
    videos = round((2.8 * standard_error / large["difference"]) ** 2)
    told = 0
    for seed in range(PAIRS):
        world = RealWorld(videos, 1_000 + seed)
        told += compared(world.predictions(), world.predictions(gain=0.6))[0]["verdict"] == "better"
    assert 0.65 * PAIRS <= told <= 0.95 * PAIRS, (videos, told)


def test_intervals_of_parts_cover_the_truth(compared):
    """That of all the videos together; the parts of fewer than 30 videos are left out by their width of 2."""
    rows = {}
    for seed in range(PAIRS):
        world = RealWorld(300, seed)
        result, _ = compared(world.predictions(), world.predictions(gain=1.0), vocabulary=VOCABULARY)
        for key in ("by_number_of_labels", "by_vertical", "by_label"):
            for row in result[key]:
                if row["tested"]:
                    name = key, row.get("vertical"), row.get("first")
                    rows.setdefault(name, []).append((row["difference"], row["low"], row["high"]))
    held = []
    for values in rows.values():
        difference, low, high = np.array(values).T
        if len(values) == PAIRS:
            held.append(((low <= difference.mean()) & (difference.mean() <= high)).mean())
    assert len(held) >= 8
    assert 0.90 <= np.mean(held) <= 0.99, held
