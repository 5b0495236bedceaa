"""Several replicas, as virtual devices in a process of their own: equal to one, or to averaged halves."""

import json
from typing import Any

import pytest

from tests.forks import Forks
from yt8m.errors import InputError
from yt8m.training.engines.tensorflow import find_replicas


@pytest.fixture(scope="module")
def results(forks: Forks) -> dict[str, Any]:
    return json.loads(forks.run([], "tests.training.two_devices:main").stdout)


def test_two_of_80_equal_one_of_160_with_synchronised_batch_norm(results: dict[str, Any]) -> None:
    """Weights, moments, average, statistics, loss and predictions, after three clipped steps; dropout falls alike."""
    assert results["synchronized"] < 1e-5


def test_with_their_own_statistics_they_average_the_gradients_of_two_halves(results: dict[str, Any]) -> None:
    """The clipping acts on the average: clipping each half by itself would have given something else."""
    assert results["halves"] < 1e-5
    assert results["clipping apart"] > 1e-3


def test_two_replicas_repeat_to_the_bit(results: dict[str, Any]) -> None:
    assert results["repeats"]


def test_more_replicas_than_devices_are_refused() -> None:
    with pytest.raises(InputError, match="--replicas 3: it can be 1 to 1, the CPUs"):
        find_replicas(3)
