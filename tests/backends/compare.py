"""The models, losses and a training step agree between Keras' backends to 1e-4: `make test-jax` runs this."""

import os

import numpy as np
import pytest

REFERENCE, OURS = (np.load(os.environ[name]) for name in ("REFERENCE", "OURS"))


def test_the_two_files_are_of_different_backends() -> None:
    assert {str(REFERENCE["backend"]), str(OURS["backend"])} == {"tensorflow", "jax"}
    assert REFERENCE.files == OURS.files


@pytest.mark.parametrize("key", [key for key in REFERENCE.files if key != "backend"])
def test_agrees(key: str) -> None:
    assert np.isfinite(REFERENCE[key]).all()
    np.testing.assert_allclose(OURS[key], REFERENCE[key], rtol=1e-4, atol=1e-4)
