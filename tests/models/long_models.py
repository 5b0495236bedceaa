"""The other models than in `test_models.py`, compiled and not."""

import numpy as np
import pytest

from tests.models.test_models import COMPILED_IN_LONG, Small, Videos, compare_with_compiled


@pytest.mark.parametrize("name", COMPILED_IN_LONG)
def test_compiled_and_not_it_predicts_and_learns_the_same(
    name: str, small: Small, videos: Videos, labels: np.ndarray
) -> None:
    compare_with_compiled(name, small, videos, labels)
