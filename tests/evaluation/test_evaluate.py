import json

import numpy as np
import pytest

from tests.drawn import predictions_of
from tests.evaluation.bootstrap import bootstrap_gaps, percentile_interval
from yt8m.artifacts import scalars
from yt8m.errors import InputError
from yt8m.evaluation.evaluate import evaluate
from yt8m.evaluation.metrics import Metrics
from yt8m.prediction.table import read_predictions, write_predictions

CLASSES = 1200


def random_set(videos=400, seed=0):
    generator = np.random.default_rng(seed)
    weights = 1 / (np.arange(CLASSES) + 5.0)
    labels = np.zeros((videos, CLASSES), bool)
    for row in labels:
        row[generator.choice(CLASSES, generator.integers(0, 13), replace=False, p=weights / weights.sum())] = True
    scores = generator.random((videos, CLASSES), dtype=np.float32) ** 8
    return np.clip(scores + labels * generator.random(labels.shape, dtype=np.float32) * 0.9, 0, 1), labels


def brute_gap(scores, labels, videos, classes):
    """GAP@20 over some videos and classes, by the definition; ties do not occur."""
    tops = [np.argsort(-row, kind="stable")[:20] for row in scores]
    pairs = [
        (-scores[video, label], labels[video, label]) for video in videos for label in tops[video] if label in classes
    ]
    hits = np.array([hit for _, hit in sorted(pairs, key=lambda pair: pair[0])])
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1) * hits).sum() / labels[np.ix_(videos, list(classes))].sum()


def test_every_number_by_its_definition(tmp_path):
    scores, labels = random_set()
    table = predictions_of(scores, labels)
    write_predictions(tmp_path / "p.parquet", table)
    result = evaluate(tmp_path / "p.parquet", tmp_path / "new" / "folder")
    assert json.loads((tmp_path / "new/folder/metrics.json").read_text()) == result

    whole = Metrics(CLASSES)
    whole.add_scores(scores, labels)
    assert {key: result[key] for key in whole.result()} == whole.result()
    sizes = labels.sum(axis=1)
    assert result["unlabelled"] == (sizes == 0).sum() > 0
    assert result["classes_with_positives"] == labels.any(axis=0).sum()
    assert result["models"] == ["netvlad-small"]
    assert (result["simulated"], result["level"], result["index"], result["predictions"]) == (
        False, "frame", "abc", "def",
    )  # fmt: skip

    everything = range(CLASSES)
    assert result["gap"] == pytest.approx(brute_gap(scores, labels, range(len(labels)), everything), abs=1e-12)
    assert sum(row["videos"] for row in result["by_number_of_labels"]) + result["unlabelled"] == len(labels)
    for row in result["by_number_of_labels"]:
        videos = np.flatnonzero((sizes >= row["first"]) & (sizes <= (row["last"] or CLASSES)))
        assert row["videos"] == len(videos)
        assert row["positives"] == sizes[videos].sum()
        assert row["gap"] == pytest.approx(brute_gap(scores, labels, videos, everything), abs=1e-12)
        part = Metrics(CLASSES)
        part.add_scores(scores[videos], labels[videos])
        assert (row["hit_at_1"], row["perr"]) == (part.result()["hit_at_1"], part.result()["perr"])
    precisions = whole.average_precisions()
    assert [(row["first"], row["last"]) for row in result["by_label"]] == [(0, 299), (300, 977), (978, None)]
    for row in result["by_label"]:
        classes = range(row["first"], (row["last"] or CLASSES - 1) + 1)
        assert row["positives"] == labels[:, classes].sum()
        assert row["gap"] == pytest.approx(brute_gap(scores, labels, range(len(labels)), classes), abs=1e-12)
        assert row["map"] == pytest.approx(np.nanmean(precisions[classes]))


def test_missed_videos_as_the_paper_counts_them(tmp_path):
    scores = np.tile(np.linspace(1, 0.1, 40, dtype=np.float32), (5, 1))  # the top 20 is 0..19
    labels = np.zeros((5, 40), bool)
    for video, true in enumerate([[25], [3], [1, 30], [0, 1, 2, 39], [0, 19, 20, 21, 22]]):
        labels[video, true] = True
    write_predictions(tmp_path / "p.parquet", predictions_of(scores, labels))
    assert evaluate(tmp_path / "p.parquet", tmp_path)["missed"] == {
        "videos": 4, "share": 0.8, "one_label": 1, "one_label_share": 0.25, "four_or_more": 2,
        "four_or_more_share": 0.5, "labels": 6,
    }  # fmt: skip


def test_more_places_than_twenty_change_nothing(tmp_path):
    scores, labels = random_set(50)
    results = []
    for top in (20, 100):
        write_predictions(tmp_path / "p.parquet", predictions_of(scores, labels, top))
        results.append(evaluate(tmp_path / "p.parquet", tmp_path))
    assert results[0] == results[1]


def test_perfect_predictions_of_few_classes(tmp_path):
    labels = np.eye(6, 7, dtype=bool)
    write_predictions(tmp_path / "p.parquet", predictions_of(labels.astype(np.float32), labels, 7, simulated=True))
    result = evaluate(tmp_path / "p.parquet", tmp_path)
    assert [result[key] for key in ("gap", "map", "hit_at_1", "perr")] == [1, 1, 1, 1]
    assert result["simulated"] is True
    assert result["missed"]["videos"] == 0
    assert len(result["by_label"]) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s, y: (s, y * 0), r"none of the 30 videos has labels \(the test partition\?\)"),
        (lambda s, y: (s[:0], y[:0]), "holds no videos"),
        (lambda s, y: (s * 2, y), r"row \d+: confidence .* is not between 0 and 1"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_file_name(tmp_path, change, problem):
    scores, labels = change(*random_set(30))
    write_predictions(tmp_path / "p.parquet", predictions_of(scores, labels))
    with pytest.raises(InputError, match=rf"p\.parquet: {problem}"):
        evaluate(tmp_path / "p.parquet", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_places_are_refused(tmp_path):
    write_predictions(tmp_path / "p.parquet", predictions_of(*random_set(10), top=5))
    with pytest.raises(InputError, match=r"p\.parquet: .*GAP@20 needs 20; predict again with --top 20"):
        evaluate(tmp_path / "p.parquet", tmp_path / "out")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such file; make one with `yt8m predict`"):
        evaluate(tmp_path / "p.parquet", tmp_path)


def test_every_score_lies_in_its_interval_and_all_are_finite(tmp_path):
    write_predictions(tmp_path / "p.parquet", predictions_of(*random_set()))
    result = evaluate(tmp_path / "p.parquet", tmp_path)
    for name in ("gap", "hit_at_1", "perr"):
        assert result[f"{name}_low"] < result[name] < result[f"{name}_high"]
    for row in [*result["by_number_of_labels"], *result["by_label"]]:
        assert row["gap_low"] <= row["gap"] <= row["gap_high"]
    drawn = percentile_interval(bootstrap_gaps(read_predictions(tmp_path / "p.parquet"), 200))
    width = result["gap_high"] - result["gap_low"]
    assert drawn.high - drawn.low == pytest.approx(width, rel=0.25)
    shown = scalars(result)
    assert {"gap", "gap_low", "gap_high", "expected_calibration_error"} <= shown.keys()


def test_one_video_has_a_score_and_an_interval_that_says_nothing(tmp_path):
    labels = np.eye(1, 30, dtype=bool)
    write_predictions(tmp_path / "p.parquet", predictions_of(labels * np.float32(0.5), labels))
    result = evaluate(tmp_path / "p.parquet", tmp_path)
    assert (result["gap"], result["gap_low"], result["gap_high"]) == (1, 0, 1)
