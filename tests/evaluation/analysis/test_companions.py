import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m.evaluation.analysis import evaluated as module
from yt8m.evaluation.analysis.evaluated import Companions

lists = st.lists(st.lists(st.integers(0, 7), unique=True, max_size=6), min_size=1, max_size=40)


def companions_of(lists, classes=8):
    bounds = np.concatenate(([0], np.cumsum([len(labels) for labels in lists]))).astype(np.int64)
    return Companions(np.array([label for labels in lists for label in labels], np.int32), bounds, classes)


@given(lists, st.sampled_from([1, 50, 2_000_000]))
def test_counts_by_brute_force(lists, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        found = companions_of(lists)
        for one in range(8):
            assert found.videos[one] == sum(one in labels for labels in lists)
            for other in range(8):
                both = sum(one in labels and other in labels for labels in lists)
                assert found.together[one, other] == (both if one != other else 0)


def test_share_is_of_the_given_labels_videos():
    found = companions_of([[0, 1]] * 3 + [[0]] * 3)
    assert found.share(np.array([1, 0]), np.array([0, 1])).tolist() == [0.5, 1.0]


def test_two_videos_make_no_companions():
    found = companions_of([[0, 1]] * 2 + [[2]])
    assert found.share(np.array(1), np.array(0)) == 0


def test_lift_is_one_for_independent_labels_and_0_for_unknown_ones():
    found = companions_of([[0, 1], [0], [1], []] * 5)
    assert found.lift(np.array(0), np.array(1)) == pytest.approx(1)
    assert found.lift(np.array(0), np.array(7)) == 0
    assert found.share(np.array(0), np.array(7)) == 0
