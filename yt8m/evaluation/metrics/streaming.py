"""The metrics of videos that arrive in batches or in parts."""

from collections import Counter
from typing import Any

import numpy as np

from yt8m.errors import InputError
from yt8m.evaluation.metrics.functions import (
    RARE_FROM,
    average_precisions_of_sorted,
    checked,
    gap_of_sorted,
    hits_in_top,
    make_pairs,
    mean_of_known,
    perr_counts,
    perr_of_counts,
)
from yt8m.prediction.top_k import TOP, top_k
from yt8m.prediction.top_k import label_ranks as ranks_of_labels


class Metrics:
    """GAP@k, MAP, Hit@1 and PERR of a set of videos that arrives in batches, or in parts that are merged.

    Holds 8 bytes a pair (180 MB for 1.1 million videos at k = 20). Can be pickled, so that workers send their parts.

    Args:
        num_classes: V, of the model.
        k: places of a video that count; all classes when there are fewer.

    Example:
        ```python
        metrics = Metrics(num_classes=3862)
        for confidences, labels in batches:  # float32 [n, V], multi-hot [n, V]
            metrics.add_scores(confidences, labels)
        metrics.merge(other_worker)
        metrics.result()["gap"]
        ```
    """

    def __init__(self, num_classes: int, k: int = TOP):
        self.num_classes, self.k = num_classes, min(k, num_classes)
        self.class_positives = np.zeros(num_classes, np.int64)
        self.videos = 0
        self._first_hits = 0
        self._perr_counts: Counter[tuple[int, int]] = Counter()
        self._parts: list[np.ndarray] = []
        self._sorted = False

    def add(
        self,
        top_labels: np.ndarray,
        top_confidences: np.ndarray,
        labels: np.ndarray,
        label_ranks: np.ndarray,
        label_confidences: np.ndarray,
        bounds: np.ndarray,
    ) -> None:
        """Count videos given as a predictions file holds them.

        Args:
            top_labels: int [n, K] and top_confidences: float32 [n, K], K >= k, descending.
            labels: int [occurrences], the true labels, distinct within a video.
            label_ranks: int [occurrences], their ranks among all classes, from 1.
            label_confidences: float32 [occurrences].
            bounds: int [n + 1]; the labels of video i are at `bounds[i]:bounds[i + 1]`.

        Raises:
            InputError: too few places, a wrong confidence, or labels and ranks that contradict each other; the row
                that it names counts from the first video ever added.
        """
        if top_labels.shape[1] < self.k:
            raise InputError(
                f"the predictions hold the top {top_labels.shape[1]} labels of a video, GAP@{self.k} needs {self.k}; "
                f"predict again with --top {self.k}"
            )
        top_labels = top_labels[:, : self.k]
        confidences = checked(top_confidences[:, : self.k], self.videos)
        checked(label_confidences, self.videos, np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)))
        self._check_order(confidences)
        self._check_labels(top_labels, labels, label_ranks, bounds)
        hits = hits_in_top(label_ranks, bounds, self.k)
        self._parts.append(make_pairs(top_labels, confidences, hits))
        self._sorted = False
        self.class_positives += np.bincount(labels, minlength=self.num_classes)
        self._first_hits += int(np.count_nonzero(hits[:, 0]))
        self._perr_counts.update(perr_counts(label_ranks, label_confidences, bounds))
        self.videos += len(hits)

    def add_scores(self, confidences: np.ndarray, labels: np.ndarray) -> None:
        """Count videos given by all their scores: confidences float32 [n, V], labels multi-hot [n, V].

        Raises:
            InputError: a confidence outside [0, 1] or NaN.
        """
        confidences, labels = np.asarray(confidences), np.asarray(labels)
        if confidences.shape != labels.shape or confidences.shape[1] != self.num_classes:
            raise ValueError(
                f"confidences {confidences.shape} and labels {labels.shape} must be [n, {self.num_classes}]"
            )
        confidences = checked(confidences, self.videos)
        rows, true = np.nonzero(labels)
        bounds = np.searchsorted(rows, np.arange(len(labels) + 1))
        self.add(*top_k(confidences, self.k), true, *ranks_of_labels(confidences, true, bounds), bounds)

    def merge(self, other: "Metrics") -> None:
        """Count the videos of `other`, too; it stays as it is."""
        if (other.num_classes, other.k) != (self.num_classes, self.k):
            raise ValueError(
                f"{other.num_classes} classes at k = {other.k} do not merge into {self.num_classes} at k = {self.k}"
            )
        self._parts.extend(other._parts)
        self._sorted = False
        self.class_positives += other.class_positives
        self._first_hits += other._first_hits
        self._perr_counts.update(other._perr_counts)
        self.videos += other.videos

    def result(self) -> dict[str, Any]:
        """`gap`, `map`, `map_rare` (of the labels from `RARE_FROM` on), `hit_at_1`, `perr` (floats in [0, 1]; 0 where
        undefined), `videos`, `positives` (integers).
        """
        keys = self._sorted_pairs().astype(np.uint32)
        keys.sort()
        positives, precisions = int(self.class_positives.sum()), self.average_precisions()
        return {
            "gap": gap_of_sorted(keys, positives),
            "map": mean_of_known(precisions),
            "map_rare": mean_of_known(precisions[RARE_FROM:]),
            "hit_at_1": self._first_hits / self.videos if self.videos else 0.0,
            "perr": perr_of_counts(self._perr_counts, self.videos),
            "videos": self.videos,
            "positives": positives,
        }

    def average_precisions(self) -> np.ndarray:
        """float64 [V]: average precision of each class, as the function of that name; NaN without positives."""
        return average_precisions_of_sorted(self._sorted_pairs(), self.class_positives)

    def _sorted_pairs(self) -> np.ndarray:
        if not self._sorted:
            pairs = np.concatenate([np.empty(0, np.uint64), *self._parts])
            pairs.sort()
            self._parts, self._sorted = [pairs], True
        return self._parts[0]

    def _check_order(self, confidences: np.ndarray) -> None:
        rising = (confidences[:, 1:] > confidences[:, :-1]).any(axis=1)
        self._refuse(np.flatnonzero(rising), "the confidences do not descend")

    def _check_labels(
        self, top_labels: np.ndarray, labels: np.ndarray, label_ranks: np.ndarray, bounds: np.ndarray
    ) -> None:
        rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        self._check_classes(top_labels.ravel(), np.arange(top_labels.size) // self.k)
        self._check_classes(labels, rows)
        inside = (label_ranks >= 1) & (label_ranks <= self.k)
        wrong = (label_ranks < 1) | (label_ranks > self.num_classes)
        wrong[inside] = top_labels[rows[inside], label_ranks[inside] - 1] != labels[inside]
        self._refuse(rows[wrong], "a true label and its rank contradict the top labels")
        codes = np.sort(rows * self.num_classes + labels)
        twice = codes[1:][codes[1:] == codes[:-1]] // self.num_classes
        self._refuse(twice, "a true label is listed twice", "index the records with `yt8m index` and predict anew")

    def _check_classes(self, labels: np.ndarray, rows: np.ndarray) -> None:
        outside = (labels < 0) | (labels >= self.num_classes)
        self._refuse(rows[outside], f"a label lies outside the {self.num_classes} classes")

    def _refuse(self, rows: np.ndarray, problem: str, remedy: str = "make the predictions anew") -> None:
        if len(rows):
            raise InputError(f"row {self.videos + rows[0]}: {problem}; {remedy}")
