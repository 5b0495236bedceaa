import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt8m.errors import InputError
from yt8m.loader.order import MAX_FRAMES, FrameSampling, frame_draws

kinds = st.sampled_from(["random", "contiguous", "even", "all"])


def chosen(sampling, num_frames, draws):
    return np.arange(num_frames)[sampling.choose(num_frames, draws)]


@settings(deadline=None)
@given(kind=kinds, count=st.integers(1, 320), num_frames=st.integers(1, 301), item=st.integers(0, 10**9))
def test_frames_exist_and_are_no_more_than_asked(kind, count, num_frames, item):
    sampling = FrameSampling(kind, count)
    frames = chosen(sampling, num_frames, frame_draws(sampling, 0, 0, item, item + 1)[0])
    assert frames.min() >= 0
    assert frames.max() < num_frames
    whole = kind in ("random", "even")
    available = num_frames if kind == "all" else min(num_frames, MAX_FRAMES)
    assert len(frames) == (count if whole else min(count, available))
    if not whole:
        np.testing.assert_array_equal(np.diff(frames), 1)


def test_random_follows_the_definition():
    draws = np.array([0.0, 0.5, 0.999999, 0.3334])
    assert chosen(FrameSampling("random", 4), 3, draws).tolist() == [0, 1, 2, 1]


def test_the_301st_frame_is_left_out():
    draws = np.full(5, 1 - 1e-12)
    assert set(chosen(FrameSampling("random", 5), 301, draws)) == {299}
    assert chosen(FrameSampling("all", 301), 301, draws)[-1] == 300


def test_contiguous_reaches_both_ends():
    sampling = FrameSampling("contiguous", 3)
    starts = {chosen(sampling, 5, np.array([draw]))[0] for draw in np.linspace(0, 1, 50, endpoint=False)}
    assert starts == {0, 1, 2}


def test_even_is_centred_and_deterministic():
    assert chosen(FrameSampling("even", 4), 8, np.empty(0)).tolist() == [1, 3, 5, 7]
    assert chosen(FrameSampling("even", 5), 5, np.empty(0)).tolist() == [0, 1, 2, 3, 4]
    assert chosen(FrameSampling("even", 4), 2, np.empty(0)).tolist() == [0, 0, 1, 1]


@settings(deadline=None)
@given(count=st.integers(1, 40), start=st.integers(0, 10**7), size=st.integers(0, 30), skip=st.integers(0, 30))
def test_draws_belong_to_the_item(count, start, size, skip):
    sampling = FrameSampling("random", count)
    draws = frame_draws(sampling, 9, 1, start, start + size)
    assert draws.shape == (size, count)
    assert ((draws >= 0) & (draws < 1)).all()
    np.testing.assert_array_equal(frame_draws(sampling, 9, 1, start + skip, start + size + skip)[: max(size - skip, 0)],
                                  draws[skip:])  # fmt: skip


def test_draws_differ_between_seeds_and_phases_and_are_uniform():
    sampling = FrameSampling("random", 100)
    base = frame_draws(sampling, 0, 0, 0, 100)
    assert not np.array_equal(base, frame_draws(sampling, 1, 0, 0, 100))
    assert not np.array_equal(base, frame_draws(sampling, 0, 1, 0, 100))
    assert abs(np.histogram(base, 10, (0, 1))[0] - 1000).max() < 120


@pytest.mark.parametrize(("kind", "count", "problem"), [("randm", 3, "choose of random"), ("even", 0, "at least 1")])
def test_wrong_settings_are_refused(kind, count, problem):
    with pytest.raises(InputError, match=problem):
        FrameSampling(kind, count)
