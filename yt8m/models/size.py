"""How large a model is and what a prediction costs, without making its weights."""

import math
import threading
from dataclasses import dataclass
from typing import Any

import keras

from yt8m import models
from yt8m.models.float16 import can_narrow
from yt8m.models.tagger import Tagger

MAX_MODEL_BYTES = 2**30
"""The challenge's limit on a model file."""


@dataclass(frozen=True)
class Size:
    """Of a model.

    Attributes:
        parameters: weights, with batch-norm statistics.
        narrow: those of them that an export in float16 stores in it (see `yt8m.models.float16`).
        flops: multiplications and additions of the matrix products, for one video.
    """

    parameters: int
    narrow: int
    flops: int

    def bytes(self, dtype: str = "float32") -> int:
        """Bytes of the weights, exported in `float32` or `float16`."""
        return 4 * self.parameters - (2 * self.narrow if dtype == "float16" else 0)


def measure(name: str, num_classes: int, frames: int = 300, **settings: Any) -> Size:
    """The size of `yt8m.models.create(name, num_classes, **settings)` for videos of `frames` frames.

    The variables get shapes and no values, so a model of any size takes a moment and no memory. Keras remembers such
    variables in the thread that made them, hence a thread of its own.

    Raises:
        InputError: as `create` does.
    """
    outcome: list[Any] = []

    def work() -> None:
        try:
            with keras.StatelessScope(initialize_variables=False):
                outcome.append(_size(models.create(name, num_classes, dtype="float32", **settings), frames))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _size(model: Tagger, frames: int) -> Size:
    narrow = sum(math.prod(weight.shape) for weight in model.weights if can_narrow(weight))
    return Size(model.count_params(), narrow, model.flops(frames))
