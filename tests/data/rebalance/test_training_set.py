"""The training set on disk, its fingerprint, and when a phase ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from yt8m.data.rebalance.training_set import Phase, TrainingSet, Until, read_training_set, write_training_set
from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.errors import InputError

MakeIndex = Callable[[list[list[int]]], VideoIndex]


@pytest.fixture
def training_set(make_index: MakeIndex) -> TrainingSet:
    return TrainingSet(
        index=make_index([[1, 2], [], [980]]),
        repeats=np.array([[1, 0, 3], [1, 1, 1]], np.int32),
        phases=(
            Phase(
                "rare", {"label_index": {"above": 977}}, {"fraction": 0.5}, "occurrences", Until(None, "converged", 5)
            ),
            Phase(restart=("schedule",), repeat=[{"when": {"num_labels": 1}, "times": 3}, {"otherwise": 1}]),
        ),
        recipe={"name": "mine", "description": "ä"},
        index_fingerprint="0123456789abcdef",
        seed=7,
        extra={"excluded": 4},
    )


def test_round_trip_with_the_same_bytes(training_set: TrainingSet, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_training_set(tmp_path / name, training_set)
    back = read_training_set(tmp_path / "one")
    np.testing.assert_array_equal(back.repeats, training_set.repeats)
    assert back.repeats.dtype == np.int32
    assert (back.phases, back.recipe, back.seed) == (training_set.phases, training_set.recipe, 7)
    assert (back.index_fingerprint, back.extra) == ("0123456789abcdef", {"excluded": 4})
    assert back.fingerprint() == training_set.fingerprint()
    assert back.index.fingerprint() == training_set.index.fingerprint()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_sizes(training_set: TrainingSet) -> None:
    assert (training_set.phase_size(0), training_set.phase_size(1), len(training_set)) == (4, 3, 3)


def test_the_fingerprint_is_of_what_is_trained_on(training_set: TrainingSet) -> None:
    other = (replace(training_set.phases[0], until=Until(epochs=2)), training_set.phases[1])
    keeps = (training_set.phases[0], replace(training_set.phases[1], restart=()))
    changes = [
        replace(training_set, repeats=training_set.repeats + 1),
        replace(training_set, phases=other),
        replace(training_set, phases=keeps),
        replace(training_set, index=replace(training_set.index, labels=training_set.index.labels + 1)),
    ]
    assert len({t.fingerprint() for t in [training_set, *changes]}) == 5
    assert replace(training_set, recipe={"name": "other"}).fingerprint() == training_set.fingerprint()


def test_an_index_is_not_a_training_set(training_set: TrainingSet, tmp_path: Path) -> None:
    write_index(tmp_path / "index", training_set.index)
    with pytest.raises(InputError, match="this is video_index, training_set is needed; make one with `yt8m rebalance`"):
        read_training_set(tmp_path / "index")


@pytest.mark.parametrize(
    ("until", "gaps", "reached"),
    [
        (Until(), [0.9, 0.9], False),
        (Until(epochs=2), [0.9, 0.9], False),
        (Until(None, 0.8, 9), [], False),
        (Until(None, 0.8, 9), [0.7], False),
        (Until(None, 0.8, 9), [0.7, 0.8], True),
        (Until(None, "converged", 9), [0.7], False),
        (Until(None, "converged", 9), [0.7, 0.75], False),
        (Until(None, "converged", 9), [0.7, 0.75, 0.7505], True),
        (Until(None, "converged", 9), [0.7, 0.6], True),
    ],
)
def test_when_a_training_gap_is_reached(until: Until, gaps: list[float], reached: bool) -> None:
    assert until.reached(gaps) is reached
