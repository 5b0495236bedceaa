import numpy as np
import pytest

from tests.second_stage.conftest import Files, ids_of
from yt8m.data.rebalance.training_set import read_training_set
from yt8m.errors import InputError
from yt8m.second_stage.folds import check_folds, fold_of, without_fold


def test_folds_are_alike_in_size_and_follow_from_the_id() -> None:
    ids = ids_of("v", 5000)
    folds = fold_of(ids, 5)
    assert np.bincount(folds).min() > 900
    np.testing.assert_array_equal(fold_of(ids[::-1].astype("S20"), 5), folds[::-1])


def test_a_training_set_without_a_fold_has_the_other_videos(files: Files) -> None:
    whole = read_training_set(files.training_set)
    rest = without_fold(whole, 1, 3)
    assert set(fold_of(rest.index.video_ids, 3).tolist()) == {0, 2}
    assert len(rest) == np.count_nonzero(fold_of(whole.index.video_ids, 3) != 1) == rest.repeats.shape[1]


@pytest.mark.parametrize("folds", [1, 21])
def test_a_number_of_folds_that_makes_no_sense_is_refused(folds: int) -> None:
    with pytest.raises(InputError, match=f"--folds {folds}: it can be 2 to 20"):
        check_folds(folds)
