"""Frames as they lie in a record: nine bytes before each, which are cut off where the model computes.

An H200 cuts those of 160 videos of 300 frames off in 0.07 ms; a copy that leaves them out takes a core of its host
15 ms.
"""

from typing import Any

import keras

from yt8m.models.tagger import AUDIO, RGB

WIDTHS = {"rgb": RGB, "audio": AUDIO}


def without_heads(inputs: dict[str, Any]) -> dict[str, Any]:
    """What a model takes, of a batch as it was read (`Batch.as_read`): tensors by name, those of frames `[B, T, F]`.

    Whatever has its own width already, as the means of video-level records have, stays.
    """
    return {
        name: value[..., -WIDTHS[name] :] if name in WIDTHS and value.shape[-1] != WIDTHS[name] else value
        for name, value in inputs.items()
    }


class TakesBatches(keras.Model):
    """A model whose inputs are those of a batch as it was read.

    Args:
        model: that computes on frames without heads.
    """

    def __init__(self, model: keras.Model):
        super().__init__()
        self.model = model

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """The model's outputs."""
        return self.model(without_heads(inputs), training=training)
