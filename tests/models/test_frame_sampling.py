"""Frame sampling: the same frames as the loader's, from given draws and from its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from yt8m import loader
from yt8m.models.frame_sampling import KINDS, FrameSampling

NUM_FRAMES = np.array([300, 17, 1, 150], np.int32)
FRAMES = np.broadcast_to(np.arange(300, dtype=np.float32)[None, :, None], (4, 300, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 30, 299, 300])
def test_it_takes_the_loaders_frames(kind: str, count: int) -> None:
    sampling = loader.FrameSampling(kind, count)
    draws = np.random.RandomState(0).rand(4, sampling.draws).astype(np.float32)
    frames, real = FrameSampling(kind, count)(FRAMES, NUM_FRAMES, draws=draws if sampling.draws else None)
    for video, n in enumerate(NUM_FRAMES):
        chosen = sampling.choose(int(n), draws[video].astype(np.float64))
        expected = np.arange(300)[chosen]
        assert int(real[video]) == len(expected)
        np.testing.assert_array_equal(np.array(frames)[video, : len(expected), 0], expected)


@given(n=st.integers(1, 300), draw=st.floats(0, 1, exclude_max=True, width=32))
def test_random_never_picks_padding(n: int, draw: float) -> None:
    frames, _ = FrameSampling("random", 1)(FRAMES[:1], np.array([n]), draws=np.array([[draw]], np.float32))
    assert 0 <= float(frames[0, 0, 0]) < n


@pytest.mark.parametrize("kind", ["random", "contiguous"])
def test_its_own_draws_follow_the_seed_and_change(kind: str) -> None:
    one, two = FrameSampling(kind, 20, seed=3), FrameSampling(kind, 20, seed=3)
    first = one(FRAMES, NUM_FRAMES)[0].numpy()
    np.testing.assert_array_equal(first, two(FRAMES, NUM_FRAMES)[0])
    assert (first != one(FRAMES, NUM_FRAMES)[0].numpy()).any()


def test_the_type_is_kept_and_it_compiles() -> None:
    layer = FrameSampling("even", 5)
    frames, real = tf.function(lambda x, n: layer(x, n), jit_compile=True)(tf.cast(FRAMES, tf.uint8), NUM_FRAMES)
    assert frames.dtype == tf.uint8
    assert frames.shape == (4, 5, 2)
    assert real.numpy().tolist() == [5, 5, 5, 5]


def test_wrong_settings_are_refused_and_right_ones_come_back() -> None:
    with pytest.raises(ValueError, match="kind must be one of random, contiguous, even, all, got 'odd'"):
        FrameSampling("odd")
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        FrameSampling("all", 0)
    layer = FrameSampling("contiguous", 7, seed=1)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.kind, again.count, again.seed) == ("contiguous", 7, 1)
