"""Models that take long to compile, compiled and not; `test_models.py` tries the others."""

import numpy as np
import pytest

from tests.models.test_models import LONG_TO_COMPILE, Small, Videos, compare_with_compiled


@pytest.mark.parametrize("name", LONG_TO_COMPILE)
def test_compiled_and_not_it_predicts_and_learns_the_same(
    name: str, small: Small, videos: Videos, labels: np.ndarray
) -> None:
    compare_with_compiled(name, small, videos, labels)
