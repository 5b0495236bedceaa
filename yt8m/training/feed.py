"""The loader's batches as tensors on the devices, made ahead by a thread: order kept, shapes static, frames uint8."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from yt8m.loader import Batch
from yt8m.loader.prefetch import Prefetch
from yt8m.training.engines import Replicas

AHEAD = 2  # batches on the device beside the one in use; the loader itself reads further ahead

Targets = Callable[[np.ndarray], np.ndarray]
"""Rows of the training set -> the teacher's confidences float32 `[B, V]`."""


class Feed(Prefetch[Any]):
    """Iterates over the data of steps, as `Replicas.place` makes it: a dict with the model's inputs and `labels`.

    Attributes:
        waited_seconds: how long the training has waited for input: loader, conversion and copy to the device.

    Args:
        batches: with labels; what they raise is raised here.
        replicas: whose devices the tensors go to.
        targets: of a teacher, if there is one; they are put under `teacher`.
    """

    def __init__(self, batches: Iterator[Batch], replicas: Replicas, targets: Targets | None = None):
        self._batches, self._replicas, self._targets = batches, replicas, targets
        super().__init__(self._place, 0, None, ahead=AHEAD, threads=1)

    def __next__(self) -> Any:
        data = super().__next__()
        if data is None:
            self.close()
            raise StopIteration
        return data

    def _place(self, _number: int, _given_up: threading.Event) -> Any:
        batch = next(self._batches, None)
        return None if batch is None else self._replicas.place(self._arrays(batch))

    def _arrays(self, batch: Batch) -> dict[str, np.ndarray]:
        assert batch.labels is not None
        arrays = {**batch.as_read(), "labels": batch.labels}
        return arrays if self._targets is None else {**arrays, "teacher": self._targets(batch.rows)}
