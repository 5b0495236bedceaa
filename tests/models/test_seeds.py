"""The values that a model starts with: each by a seed of its own, whatever else draws random numbers."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import pytest

from yt8m import models
from yt8m.models.seeds import derive_seed

Small = dict[str, dict[str, Any]]


@contextmanager
def others_draw() -> Iterator[None]:
    """Another thread takes from every global source of random numbers all the time."""
    done = threading.Event()

    def draw() -> None:
        while not done.is_set():
            random.random()
            np.random.random()
            time.sleep(1e-5)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def values(model: keras.Model) -> list[bytes]:
    return [np.asarray(variable).tobytes() for variable in model.variables]


@pytest.mark.parametrize("name", models.names())
def test_what_others_draw_changes_no_byte(name: str, small: Small) -> None:
    keras.utils.set_random_seed(1)
    first = models.create(name, 12, seed=5, **small[name])
    with others_draw():
        second = models.create(name, 12, seed=5, **small[name])
    assert values(first) == values(second)
    another = models.create(name, 12, seed=6, **small[name])
    drawn = [np.asarray(variable) for variable in first.trainable_variables]
    for ours, theirs in zip(drawn, another.trainable_variables, strict=True):
        assert ours.std() == 0 or (ours != np.asarray(theirs)).any()


@pytest.mark.parametrize("name", models.names())
def test_no_two_draws_are_alike(name: str, small: Small) -> None:
    model = models.create(name, 12, **small[name])
    paths = [variable.path for variable in model.weights]
    assert len(set(paths)) == len(paths)
    starts = [np.asarray(weight).ravel()[:4].tobytes() for weight in model.weights if np.asarray(weight).std() > 0]
    assert len(set(starts)) == len(starts)
    states = [tuple(np.asarray(variable)) for variable in model.variables if variable.path.endswith("generator_state")]
    assert len(set(states)) == len(states)


def test_dropout_draws_alike_beside_others(small: Small) -> None:
    x = np.ones((4, 100), np.float32)
    drops = []
    for _ in range(2):
        with others_draw():
            model = models.create("mlp", 12, seed=3, **{**small["mlp"], "dropout": 0.5, "input_dropout": 0.5})
            drops.append([np.asarray(layer(x, training=True)) for layer in (model.dropout, model.input_dropout)])
    np.testing.assert_array_equal(drops[0], drops[1])
    assert (drops[0][0] != drops[0][1]).any()


def test_initial_values_keep_their_spread_and_the_constants() -> None:
    model = models.create("netvlad", 500, clusters=16, hidden=32, relu=True)
    assert np.asarray(model.hidden.kernel).std() == pytest.approx(0.25, rel=0.02)
    assert np.asarray(model.get_layer("rgb").centres).std() == pytest.approx(1 / 32, rel=0.02)
    limit = np.sqrt(6 / (32 + 1000))
    assert np.abs(np.asarray(model.head.experts.kernel)).max() == pytest.approx(limit, rel=0.01)
    assert not np.asarray(model.head.experts.bias).any()
    assert (np.asarray(model.input_norm.moving_variance) == 1).all()


def test_seeds_are_even_and_stay_the_same() -> None:
    seeds = [derive_seed(0, f"a/{number}") for number in range(2000)]
    assert len(set(seeds)) == len(seeds)
    assert 0 <= min(seeds) < max(seeds) < 2**31
    assert np.mean(seeds) == pytest.approx(2**30, rel=0.06)
    assert derive_seed(0, "netvlad/rgb/centres") == derive_seed(0, "netvlad/rgb/centres") != derive_seed(1, "a/1")
