import numpy as np
import pytest

from tests.second_stage.conftest import CLASSES, drawn_labels
from yt8m.second_stage.label_statistics import RIDGE, LabelStatistics, label_statistics


def statistics_of(labels: np.ndarray) -> LabelStatistics:
    rows, true = np.nonzero(labels)
    return label_statistics(true, np.searchsorted(rows, np.arange(len(labels) + 1)), labels.shape[1])


def test_counts_and_prior_are_those_of_the_matrix_of_labels() -> None:
    labels = drawn_labels(3000, 0)
    found, dense = statistics_of(labels), labels.astype(np.float64)
    gram = dense.T @ dense
    assert found.videos == 3000
    np.testing.assert_array_equal(found.counts, labels.sum(axis=0))
    np.testing.assert_array_equal(found.together, gram - np.diag(np.diagonal(gram)))
    inverse = np.linalg.inv(gram + RIDGE * np.eye(CLASSES))
    expected = np.eye(CLASSES) - inverse / np.diagonal(inverse)
    np.testing.assert_allclose(found.prior, expected * (1 - np.eye(CLASSES)), atol=1e-3)
    least_squares = np.linalg.solve(gram[1:, 1:] + RIDGE * np.eye(CLASSES - 1), gram[1:, 0])
    np.testing.assert_allclose(found.prior[1:, 0], least_squares, atol=1e-3)  # what the weights are: a ridge regression
    assert found.companions[3] == pytest.approx(dense[labels[:, 3]].sum(axis=1).mean() - 1)


def test_a_file_keeps_all_of_them() -> None:
    found = statistics_of(drawn_labels(300, 0))
    kept = LabelStatistics.from_arrays(found.arrays())
    assert kept.videos == found.videos
    for name in ("counts", "together", "prior"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(found, name))
