import numpy as np
import pytest

from tests.drawn import World, predictions_of
from yt8m.errors import InputError
from yt8m.evaluation.influence import gap_influences
from yt8m.evaluation.scored_predictions import read_scored
from yt8m.prediction.table import write_predictions


def test_what_scores_need_is_derived_from_the_file(tmp_path):
    world = World(200, 30)
    table = world.predictions(1, top=25)
    write_predictions(tmp_path / "p.parquet", table)
    scored = read_scored(tmp_path / "p.parquet")
    assert (scored.k, scored.num_classes) == (20, 30)
    assert scored.hits.tolist() == [world.labels[video, table.top_labels[video, :20]].tolist() for video in range(200)]
    assert scored.positives.tolist() == world.labels.sum(axis=0).tolist()
    assert scored.label_counts.tolist() == np.bincount(table.top_labels[:, :20].ravel(), minlength=30).tolist()
    assert (np.diff(scored.bins, axis=1) <= 0).all()
    assert set(np.unique(scored.bins)) == set(range(scored.bins.max() + 1))
    assert scored.gap_influences == pytest.approx(gap_influences(table), abs=1e-15)


def test_of_few_classes_all_count(tmp_path):
    labels = np.eye(6, 7, dtype=bool)
    write_predictions(tmp_path / "p.parquet", predictions_of(labels.astype(np.float32), labels, 7))
    assert read_scored(tmp_path / "p.parquet").k == 7


def test_a_file_that_cannot_be_scored_is_named(tmp_path):
    world = World(5, 30)
    world.labels[:] = False
    write_predictions(tmp_path / "p.parquet", world.predictions(1))
    with pytest.raises(InputError, match=r"p\.parquet: none of the 5 videos has labels"):
        read_scored(tmp_path / "p.parquet")
