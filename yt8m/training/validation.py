"""Validation: metrics of the model on videos that it does not learn from."""

import keras

from yt8m.loader import DEFAULT_STAGING, PADDING, FrameSampling, Staging, prediction_batches
from yt8m.metrics import Metrics
from yt8m.prediction import confidences
from yt8m.records.video_index import VideoIndex

METRICS = ("gap", "hit_at_1", "perr", "map")


class Validator:
    """Judges a model on some videos.

    Args:
        index: the videos to judge on.
        sampling: the frames that predictions use.
        num_classes: labels V.
        batch_size: videos at a time.
        source: where the shards lie, if not where the index says.
        staging: how shards on gs:// are staged.
    """

    def __init__(
        self,
        index: VideoIndex,
        sampling: FrameSampling,
        *,
        num_classes: int,
        batch_size: int,
        source: str | None,
        staging: Staging = DEFAULT_STAGING,
    ):
        self._index, self._sampling, self._num_classes = index, sampling, num_classes
        self._batch_size, self._source, self._staging = batch_size, source, staging

    def judge(self, model: keras.Model) -> dict[str, float]:
        """`{gap, hit_at_1, perr, map}` of the model as it is now."""
        metrics = Metrics(self._num_classes)
        batches = prediction_batches(
            self._index,
            batch_size=self._batch_size,
            sampling=self._sampling,
            num_classes=self._num_classes,
            source=self._source,
            staging=self._staging,
        )
        with batches:
            for batch in batches:
                real = batch.rows != PADDING
                assert batch.labels is not None
                metrics.add_scores(confidences(model, batch)[real], batch.labels[real])
        result = metrics.result()
        return {name: float(result[name]) for name in METRICS}
