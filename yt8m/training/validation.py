"""Validation: metrics of the model on videos that it does not learn from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from yt8m.data.records.video_index import VideoIndex
from yt8m.evaluation.metrics import Metrics
from yt8m.loader import (
    DEFAULT_STAGING,
    PADDING,
    FrameSampling,
    KnownRecords,
    Staging,
    Verify,
    prediction_batches,
)
from yt8m.training.engines import Learner

METRICS = ("gap", "hit_at_1", "perr", "map")


class Validator:
    """Judges a model on some videos.

    Args:
        index: the videos to judge on.
        sample: rows of those that most validations use, ascending.
        sampling: the frames that predictions use.
        num_classes: labels V.
        batch_size: videos at a time.
        source: where the shards lie, if not where the index says.
        staging: how shards on gs:// are staged.
        verify: when the checksums of records are computed; see `KnownRecords`.
        check: called before each batch; what it raises ends the validation.
    """

    def __init__(
        self,
        index: VideoIndex,
        sample: np.ndarray,
        sampling: FrameSampling,
        *,
        num_classes: int,
        batch_size: int,
        source: str | None,
        staging: Staging = DEFAULT_STAGING,
        verify: Verify = "first",
        check: Callable[[], None] = lambda: None,
    ):
        self._index, self._sampling, self._num_classes, self._check = index, sampling, num_classes, check
        self._batch_size, self._source, self._staging = batch_size, source, staging
        self._in_sample = np.zeros(len(index), bool)
        self._in_sample[sample] = True
        self._sample = index if len(sample) == len(index) else index.take(sample)
        self._known = {id(part): KnownRecords(part, verify) for part in (self._index, self._sample)}

    def judge(self, learner: Learner) -> dict[str, float]:
        """`{gap, hit_at_1, perr, map}` of the model as it is now, on the sample."""
        metrics = Metrics(self._num_classes)
        for _, scores, labels in self._scores(learner, self._sample):
            metrics.add_scores(scores, labels)
        return _named(metrics)

    def judge_all(self, learner: Learner) -> tuple[dict[str, float], dict[str, float]]:
        """The same on the sample, and on all videos; in one pass."""
        if self._sample is self._index:
            measured = self.judge(learner)
            return measured, measured
        sample, everything = Metrics(self._num_classes), Metrics(self._num_classes)
        for rows, scores, labels in self._scores(learner, self._index):
            everything.add_scores(scores, labels)
            chosen = self._in_sample[rows]
            if chosen.any():
                sample.add_scores(scores[chosen], labels[chosen])
        return _named(sample), _named(everything)

    def _scores(self, learner: Learner, index: VideoIndex) -> Any:
        """Rows, scores and labels of the videos of an index, a batch at a time."""
        batches = prediction_batches(
            index,
            batch_size=self._batch_size,
            sampling=self._sampling,
            num_classes=self._num_classes,
            source=self._source,
            staging=self._staging,
            known=self._known[id(index)],
        )
        with batches:
            for batch in batches:
                self._check()
                real = batch.rows != PADDING
                assert batch.labels is not None
                scores = np.asarray(learner.predict(batch.as_read()), np.float32)
                yield batch.rows[real], scores[real], batch.labels[real]


def _named(metrics: Metrics) -> dict[str, float]:
    result = metrics.result()
    return {name: float(result[name]) for name in METRICS}
