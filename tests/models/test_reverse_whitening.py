"""Reverse whitening: formula and eigenvalues."""

import numpy as np

from yt8m.models.reverse_whitening import EIGENVALUES, ReverseWhitening


def test_by_hand() -> None:
    x = np.random.RandomState(0).randn(2, 3, 1024).astype(np.float32)
    eigenvalues = np.load(EIGENVALUES)
    np.testing.assert_allclose(ReverseWhitening()(x), (x - 4 / 512) * (np.sqrt(eigenvalues) + 1e-4), atol=1e-5)


def test_the_eigenvalues_are_the_published_ones_and_no_weights() -> None:
    eigenvalues = np.load(EIGENVALUES)
    assert eigenvalues.shape == (1024,)
    assert eigenvalues[0] == np.float32(14.738506)
    assert (np.diff(eigenvalues) <= 0).all()
    assert not ReverseWhitening().variables
