"""What the label lists of the training videos say about which labels belong together.

The label prior is EASE (Steck 2019, Embarrassingly Shallow Autoencoders for Sparse Data, arXiv:1905.03375, eq. 8): each
label as a linear function of the video's other ones, `B = -G^-1 / diag(G^-1)` with zeros on the diagonal, where G has
the co-occurrences and `RIDGE` more on its diagonal. It needs no training, and its cost depends on V alone.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from yt8m.evaluation.analysis.evaluated import Companions

RIDGE = 300.0


@dataclass(frozen=True)
class LabelStatistics:
    """Of V labels over n videos.

    Attributes:
        videos: n.
        counts: float32 [V], videos with each label.
        together: float32 [V, V], videos with both of two labels; 0 on the diagonal.
        prior: float32 [V, V], the weight of each label (row) for each other (column): B.
    """

    videos: int
    counts: np.ndarray
    together: np.ndarray
    prior: np.ndarray

    @cached_property
    def companions(self) -> np.ndarray:
        """float32 [V]: how many other labels a video with the label has on average."""
        return (self.together.sum(axis=1, dtype=np.float64) / np.maximum(self.counts, 1)).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file keeps: the pairs of labels that come together at all, and B in half precision."""
        rows, columns = np.nonzero(np.triu(self.together))
        return {
            "videos": np.array(self.videos),
            "counts": self.counts.astype(np.int32),
            "pairs": np.stack([rows, columns]).astype(np.int32),
            "pair_counts": self.together[rows, columns].astype(np.int32),
            "prior": self.prior.astype(np.float16),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "LabelStatistics":
        """The inverse of `arrays`."""
        counts = arrays["counts"].astype(np.float32)
        together = np.zeros((len(counts), len(counts)), np.float32)
        rows, columns = arrays["pairs"]
        together[rows, columns] = together[columns, rows] = arrays["pair_counts"]
        return cls(int(arrays["videos"]), counts, together, arrays["prior"].astype(np.float32))


def label_statistics(labels: np.ndarray, bounds: np.ndarray, num_classes: int) -> LabelStatistics:
    """The statistics of label lists.

    Args:
        labels: int [occurrences], none twice in a video.
        bounds: int [n + 1]; the labels of video i are `labels[bounds[i]:bounds[i + 1]]`.
        num_classes: V.
    """
    companions = Companions(labels, bounds, num_classes)
    together = companions.together.astype(np.float32)
    counts = companions.videos.astype(np.float32)
    gram = together.astype(np.float64)
    np.fill_diagonal(gram, counts + RIDGE)
    inverse = np.linalg.inv(gram)
    prior = (-inverse / np.diagonal(inverse)).astype(np.float16).astype(np.float32)  # as a file keeps it
    np.fill_diagonal(prior, 0)
    return LabelStatistics(len(bounds) - 1, counts, together, prior)
