"""Videos drawn from the real label lists, and models of them whose true difference is known: none, or a planted one."""

from functools import cache

import numpy as np

from tests.real_labels import read_lists
from yt8m.evaluation.scored_predictions import ScoredPredictions, measured
from yt8m.prediction.table import Predictions
from yt8m.prediction.top_k import label_ranks, top_k

CLASSES = 3862


@cache
def _population() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The lists, the share of the videos with each, and the logit of each label's share."""
    lists, videos = read_lists()
    counts = np.zeros(CLASSES)
    for labels, number in zip(lists, videos.tolist(), strict=True):
        counts[labels] += number
    shares = (counts + 1) / videos.sum()
    return lists, videos / videos.sum(), np.log(shares / (1 - shares)).astype(np.float32)


class RealWorld:
    """Some videos and what any model sees of them; models differ by noise of their own alone.

    Args:
        videos: how many.
        seed: of the choice of the videos, and of what is seen of them.
    """

    def __init__(self, videos: int, seed: int = 0):
        self.random = np.random.default_rng(seed)
        lists, shares, priors = _population()
        drawn = [lists[i] for i in self.random.choice(len(lists), videos, p=shares)]
        self.labels = np.concatenate(drawn).astype(np.int32)
        self.bounds = np.concatenate(([0], np.cumsum([len(labels) for labels in drawn])))
        self.ids = np.array([f"{seed:06d}{number:07d}".encode() for number in range(videos)])
        self.seen = priors + 1.5 * self.random.standard_normal((videos, CLASSES), np.float32)
        self.places = np.repeat(np.arange(videos), np.diff(self.bounds)), self.labels
        self.seen[self.places] += np.float32(7.5) + 2 * self.random.standard_normal(len(self.labels), np.float32)

    def predictions(self, gain: float = 0.0, noise: float = 0.7, **metadata: object) -> Predictions:
        """Another model: its own noise, and `gain` more signal on each true label, in logits."""
        logits = self.seen + np.float32(noise) * self.random.standard_normal(self.seen.shape, np.float32)
        logits[self.places] += np.float32(gain)
        scores = 1 / (1 + np.exp(-logits))
        about = {"num_classes": CLASSES, "simulated": False, "models": [], **metadata}
        ranks = label_ranks(scores, self.labels, self.bounds)
        return Predictions(self.ids, self.labels, *ranks, self.bounds, *top_k(scores, 20), about)

    def scored(self, gain: float = 0.0, noise: float = 0.7) -> ScoredPredictions:
        """Its predictions, measured."""
        table = self.predictions(gain, noise)
        return ScoredPredictions(table, measured(table, "drawn"))
