import numpy as np
import pytest

from tests.drawn import World, predictions_of
from yt8m.evaluation.comparison import taken
from yt8m.evaluation.influence import LEAST_VIDEOS, gap_influences, standard_error
from yt8m.evaluation.label_info import LabelInfo
from yt8m.evaluation.metrics import gap
from yt8m.evaluation.scored_predictions import ScoredPredictions, measured
from yt8m.evaluation.slices import by_label_group, by_labels, by_number_of_labels, training_buckets, verticals

CLASSES = 60


def scored(table):
    return ScoredPredictions(table, measured(table, "p.parquet"))


def world(videos=300):
    world = World(videos, CLASSES)
    return world, scored(world.predictions(1))


def brute(world, table, group):
    """The scores of a group of labels by their definitions, video by video."""
    found, lists, first, precisions = [], [], [], []
    for video, true in enumerate(world.labels):
        mine = [place for place in range(20) if table.top_labels[video, place] in group]
        hits = [bool(true[table.top_labels[video, place]]) for place in mine]
        positives = sum(bool(true[label]) for label in group)
        found += list(zip(table.top_confidences[video, mine], hits, strict=True))
        lists.append(positives)
        if positives:
            first.append(bool(hits) and hits[0])
            precisions.append(sum(hits[:positives]) / positives)
    confidences, hits = (np.array(column) for column in zip(*found, strict=True))
    return {
        "gap": gap(confidences.astype(np.float32), hits, sum(lists)), "hit_at_1": np.mean(first),
        "perr": np.mean(precisions), "videos": len(first), "positives": sum(lists),
        "missed": sum(lists) - hits.sum(), "found": hits.sum() / sum(lists),
    }  # fmt: skip


def test_a_group_of_labels_is_scored_as_if_there_were_no_others():
    videos, table = world()
    groups = np.arange(CLASSES) % 3
    groups[50:] = -1
    rows = dict(by_label_group(table, groups))
    assert rows.keys() == {0, 1, 2}
    for group, row in rows.items():
        labels = np.flatnonzero(groups == group)
        expected = brute(videos, table.predictions, set(labels.tolist()))
        assert {key: row[key] for key in expected} == pytest.approx(expected)
        assert row["map"] == pytest.approx(np.nanmean(table.average_precisions[labels]))
        assert row["labels"] == len(labels)


def test_the_interval_of_a_group_is_that_of_the_bootstrap():
    _, table = world(1_000)
    groups = np.where(np.arange(CLASSES) < 5, 0, 1)
    row = dict(by_label_group(table, groups))[1]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(100):
        again = scored(taken(table.predictions, random.integers(0, 1_000, 1_000)))
        drawn.append(dict(by_label_group(again, groups))[1]["gap"])
    assert (row["gap_high"] - row["gap_low"]) / 3.92 == pytest.approx(np.std(drawn), rel=0.2)


def test_all_labels_in_one_group_score_as_the_whole():
    _, table = world()
    row = dict(by_label_group(table, np.zeros(CLASSES, int)))[0]
    assert row["gap"] == pytest.approx(table.result["gap"], abs=1e-12)
    margin = (row["gap_high"] - row["gap_low"]) / 2
    assert margin == pytest.approx(1.96 * standard_error(gap_influences(table.predictions)), rel=1e-3)


def test_videos_by_their_number_of_labels_are_scored_alone():
    _, table = world()
    sizes = table.predictions.labels_per_video
    rows = by_number_of_labels(table)
    assert [(row["first"], row["last"]) for row in rows] == [(1, 1), (2, 2), (3, 3), (4, 5), (6, 10)]
    for row in rows:
        chosen = np.flatnonzero((sizes >= row["first"]) & (sizes <= (row["last"] or 99)))
        alone = scored(taken(table.predictions, chosen))
        for key in ("gap", "map", "hit_at_1", "perr", "videos", "positives"):
            assert row[key] == pytest.approx(alone.result[key], abs=1e-12), key
        margin = 1.96 * standard_error(gap_influences(alone.predictions)) if row["videos"] >= LEAST_VIDEOS else 1
        assert min(1, row["gap"] + margin) == pytest.approx(row["gap_high"], abs=1e-4)
        assert max(0, row["gap"] - margin) == pytest.approx(row["gap_low"], abs=1e-4)
        assert row["missed"] == np.count_nonzero(alone.predictions.label_ranks > 20)


def test_groups_of_labels_by_training_count_and_by_vertical():
    _, table = world()
    counts = np.repeat([0, 9, 10, 2_000], 15)
    facts = LabelInfo([""] * CLASSES, ["Games"] * 20 + [""] * 40, counts, "the training index")
    rows = by_labels(table, training_buckets(facts))
    assert [(row["first"], row["last"], row["labels"]) for row in rows] == [
        (0, 0, 15), (1, 9, 15), (10, 99, 15), (1_000, 9_999, 15),
    ]  # fmt: skip
    assert sum(row["positives"] for row in rows) == table.result["positives"]
    by_name = {row["vertical"]: row["labels"] for row in by_labels(table, verticals(facts))}
    assert by_name == {"Games": 20, "": 40}
    unknown = LabelInfo([""] * CLASSES, [""] * CLASSES, None, "")
    assert by_labels(table, training_buckets(unknown)) == by_labels(table, verticals(unknown)) == []


def test_a_group_that_never_reaches_the_top_scores_nothing():
    scores = np.tile(np.linspace(1, 0.1, 40, dtype=np.float32), (4, 1))
    labels = np.zeros((4, 40), bool)
    labels[:, 39] = labels[:2, 0] = True
    rows = dict(by_label_group(scored(predictions_of(scores, labels)), np.repeat([0, 1, 2], [20, 10, 10])))
    assert rows.keys() == {0, 2}
    assert [rows[2][key] for key in ("gap", "hit_at_1", "perr", "found", "missed")] == [0, 0, 0, 0, 4]
