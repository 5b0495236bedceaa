import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt8m.errors import InputError
from yt8m.prediction.top_k import label_ranks, top_k


def stable_order(confidences):
    return np.argsort(-confidences.astype(np.float64), axis=1, kind="stable")


@st.composite
def matrices(draw):
    rows, columns = draw(st.integers(0, 5)), draw(st.integers(1, 700))
    levels = draw(st.sampled_from([1, 2, 3, 50, 1 << 24]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = generator.integers(0, levels, (rows, columns)) / levels
    return (values * draw(st.sampled_from([1, -1, 3]))).astype(np.float32)


@given(matrices(), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_top_k_is_the_head_of_a_stable_sort(confidences, k):
    labels, values = top_k(confidences, k)
    expected = stable_order(confidences)[:, :k]
    assert labels.dtype == np.int32
    assert values.dtype == np.float32
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(confidences, expected, axis=1))


@given(matrices(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_label_ranks_are_the_places_in_a_stable_sort(confidences, random):
    num_classes = confidences.shape[1]
    lists = [random.sample(range(num_classes), random.randint(0, min(4, num_classes))) for _ in confidences]
    bounds = np.cumsum([0] + [len(labels) for labels in lists])
    labels = np.array([label for video in lists for label in video], np.int32)
    ranks, own = label_ranks(confidences, labels, bounds)
    places = np.argsort(stable_order(confidences), axis=1) + 1
    rows = np.repeat(np.arange(len(lists)), np.diff(bounds))
    np.testing.assert_array_equal(ranks, places[rows, labels])
    np.testing.assert_array_equal(own, confidences[rows, labels])


def test_many_rows_of_many_classes():
    confidences = np.random.default_rng(0).random((300, 3862), dtype=np.float32)
    labels, _ = top_k(confidences, 20)
    np.testing.assert_array_equal(labels, stable_order(confidences)[:, :20])


def test_zero_and_minus_zero_are_equal():
    labels, _ = top_k(np.array([[-0.0, 0.0, -0.0, 1.0]], np.float32), 3)
    assert labels.tolist() == [[3, 0, 1]]


@pytest.mark.parametrize("columns", [7, 3862])
def test_nan_is_refused_by_row(columns):
    confidences = np.zeros((200, columns), np.float32)
    confidences[130, columns - 1] = np.nan
    with pytest.raises(InputError, match=r"video 130 .*NaN"):
        top_k(confidences, 5)
    with pytest.raises(InputError, match=r"video 130 .*NaN"):
        label_ranks(confidences, np.array([columns - 1]), (np.arange(201) > 130).astype(int))


def test_a_label_outside_the_classes_is_refused():
    with pytest.raises(InputError, match="label 9 lies outside the 4 classes"):
        label_ranks(np.zeros((1, 4), np.float32), np.array([9]), np.array([0, 1]))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="k >= 1"):
        top_k(np.zeros((1, 4), np.float32), 0)
    with pytest.raises(ValueError, match="shape"):
        top_k(np.zeros(4, np.float32), 1)
    with pytest.raises(ValueError, match="bounds"):
        label_ranks(np.zeros((2, 4), np.float32), np.array([1]), np.array([0, 1]))
