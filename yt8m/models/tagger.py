"""What all models have in common: the input, the settings, and being built without a batch."""

from dataclasses import asdict
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from yt8m.models.dequantize import Dequantize
from yt8m.models.numerics import Shape, Tensor, frame_mask, mean_frame
from yt8m.models.settings import NoSettings, parse_settings

RGB, AUDIO = 1024, 128
DIMENSIONS = RGB + AUDIO


class Tagger(keras.Model):
    """Frames of a video -> the probability of each label.

    Called on a dict: `rgb` `[B, T, 1024]` and `audio` `[B, T, 128]`, uint8 or float, and `num_frames` `[B]`, how many
    of the T frames are real. A video-level record is a video of one frame, in floats. Returns float32 `[B, V]`;
    penalties on the weights are in `losses`.

    A subclass has a dataclass `Settings`, makes its layers in `__init__`, builds them in `build_layers`, and computes
    `tag`.

    Args:
        num_classes: V.
        settings: an instance of `Settings`, or a mapping of its fields.
        level: `frame` or `video`, the records it is meant for.
    """

    Settings: ClassVar[type[Any]] = NoSettings
    head: keras.layers.Layer

    def __init__(self, num_classes: int, settings: Any = None, level: str = "frame", **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if not isinstance(settings, self.Settings):
            settings = parse_settings(self.Settings, settings or {}, self.name)
        self.num_classes, self.settings, self.level = num_classes, settings, level
        self.dequantize = Dequantize(name="dequantize")

    def build(self, input_shape: Any = None) -> None:
        """Make the variables; the shapes are known: `input_shape` is not looked at."""
        self.build_layers((None, None, DIMENSIONS))

    def build_layers(self, shape: Shape) -> None:
        """Build the layers for frames of the shape `(batch, frames, 1152)`."""
        raise NotImplementedError

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        valid = frame_mask(inputs["num_frames"], ops.shape(inputs["rgb"])[1])
        return self.tag(self._frames(inputs, valid), valid, training)

    def _frames(self, inputs: dict[str, Tensor], valid: Tensor) -> Tensor:
        """Both streams dequantised, float32 `[B, T, 1152]`."""
        # together while they are narrow: a fourth of the bytes through memory
        return self.dequantize(ops.concatenate([inputs["rgb"], inputs["audio"]], axis=-1), valid=valid)

    def tag(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        """Dequantised frames `[B, T, 1152]` and `valid` `[B, T]`, both float32 -> probabilities float32 `[B, V]`."""
        raise NotImplementedError

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (input_shape["rgb"][0], self.num_classes)

    @property
    def needs_data(self) -> bool:
        """Whether `adapt` has to be called before training."""
        return getattr(self.settings, "head", "") == "label-embedding"

    def adapt(self, features: dict[str, Any], labels: np.ndarray) -> None:
        """Set what is computed from training data and not learned; before the first step, if `needs_data`.

        What it sets is among the weights, and saved with them. The result depends on the data alone.

        Args:
            features: arrays `rgb`, `audio`, `num_frames` as in a call, of as many training videos as fit in memory.
            labels: multi-hot `[N, V]` of the same videos.
        """
        if self.needs_data:
            self.head.adapt(labels)

    def mean_features(self, features: dict[str, Any], batch: int = 256) -> np.ndarray:
        """The mean frame of each video, float32 `[N, 1152]`, computed `batch` videos at a time."""
        parts = []
        for start in range(0, len(features["rgb"]), batch):
            part = {name: values[start : start + batch] for name, values in features.items()}
            valid = frame_mask(part["num_frames"], part["rgb"].shape[1])
            parts.append(ops.convert_to_numpy(mean_frame(self._frames(part, valid), valid)))
        return np.concatenate(parts)

    def get_config(self) -> dict[str, Any]:
        own = {"num_classes": self.num_classes, "settings": asdict(self.settings), "level": self.level}
        return {**super().get_config(), **own, "name": self.name, "dtype": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Tagger":
        return cls(**config)
