"""Which labels come together, and how often: the co-occurrences that the rules for causes ask about."""

from functools import cached_property

import numpy as np

CHUNK = 2_000_000
LEAST_TOGETHER = 3


class Companions:
    """Co-occurrences of V labels over n videos.

    Args:
        labels: int [occurrences], the labels of one video after the other, none twice in a video.
        bounds: int [n + 1]; the labels of video i are `labels[bounds[i]:bounds[i + 1]]`.
        num_classes: V.
    """

    def __init__(self, labels: np.ndarray, bounds: np.ndarray, num_classes: int):
        self._labels, self._bounds, self._classes = labels, bounds, num_classes

    @cached_property
    def videos(self) -> np.ndarray:
        """int64 [V]: videos with each label."""
        return np.bincount(self._labels, minlength=self._classes)

    @cached_property
    def together(self) -> np.ndarray:
        """int32 [V, V]: videos with both of two labels; 0 on the diagonal."""
        counts = np.zeros(self._classes**2, np.int32)
        sizes = np.diff(self._bounds)
        for size in np.unique(sizes[sizes > 1]).tolist():
            starts = self._bounds[:-1][sizes == size]
            step = max(1, CHUNK // size**2)
            for start in range(0, len(starts), step):
                lists = self._labels[starts[start : start + step, None] + np.arange(size)]
                codes, videos = np.unique(self._codes(lists), return_counts=True)
                counts[codes] += videos.astype(np.int32)
        table = counts.reshape(self._classes, self._classes)
        return table + table.T

    def share(self, label: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Of the videos with the label `given`, the share that has `label` too; 0 below LEAST_TOGETHER such videos.

        Both are int, of shapes that broadcast; float64 of the common shape is returned.
        """
        both = self.together[label, given]
        return np.where(both >= LEAST_TOGETHER, both, 0) / np.maximum(1, self.videos[given])

    def lift(self, label: np.ndarray, other: np.ndarray) -> np.ndarray:
        """How many times as often as by chance two labels come together: P(both) / (P(label) P(other))."""
        expected = self.videos[label] * (self.videos[other] / max(1, len(self._bounds) - 1))
        return self.together[label, other] / np.maximum(expected, np.finfo(np.float64).tiny)

    def _codes(self, lists: np.ndarray) -> np.ndarray:
        first, second = np.triu_indices(lists.shape[1], k=1)
        return lists[:, first].astype(np.int64) * self._classes + lists[:, second]
