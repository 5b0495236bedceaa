"""One hidden layer on the mean frame: the best of the small models."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from yt8m.models.dropout import Dropout
from yt8m.models.feature_scaling import FeatureScaling
from yt8m.models.heads import HeadSettings, make_head
from yt8m.models.numerics import Shape, Tensor, mean_frame, product_flops
from yt8m.models.settings import require
from yt8m.models.tagger import AUDIO, RGB, Tagger


@dataclass(frozen=True, kw_only=True)
class MLPSettings(HeadSettings):
    """Of `mlp`.

    Attributes:
        hidden: size of the hidden layer.
        input_dropout: share of the features dropped in training.
        dropout: share of the hidden layer dropped in training.
        power: of the deviations that weigh the features.
    """

    head: str = "logistic"
    l2: float = 0.0
    hidden: int = 1024
    input_dropout: float = 0.1
    dropout: float = 0.5
    power: float = 2.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden >= 1, f"hidden must be at least 1, got {self.hidden}")
        for name in ("input_dropout", "dropout"):
            require(0 <= getattr(self, name) < 1, f"{name} must be at least 0 and below 1, got {getattr(self, name)}")


@keras.saving.register_keras_serializable("yt8m")
class MLPTagger(Tagger):
    """Mean frame -> each stream weighed and scaled -> dropout -> GELU layer -> dropout -> head.

    `adapt` must be called before training: it sets the features' weights, and the head's biases to the label rates.
    """

    Settings = MLPSettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings, dtype = self.settings, self.dtype_policy
        self.rgb_scaling = FeatureScaling(32.0, settings.power, name="rgb_scaling", dtype=dtype)
        self.audio_scaling = FeatureScaling(16.0, settings.power, name="audio_scaling", dtype=dtype)
        self.input_dropout = Dropout(settings.input_dropout, name="input_dropout", dtype=dtype)
        self.hidden = keras.layers.Dense(settings.hidden, activation="gelu", name="hidden", dtype=dtype)
        self.dropout = Dropout(settings.dropout, name="dropout", dtype=dtype)
        self.head = make_head(self.num_classes, settings, dtype)

    def build_layers(self, shape: Shape) -> None:
        batch = shape[0]
        self.rgb_scaling.build((batch, RGB))
        self.audio_scaling.build((batch, AUDIO))
        self.input_dropout.build((batch, shape[-1]))
        self.hidden.build((batch, shape[-1]))
        self.dropout.build((batch, self.settings.hidden))
        self.head.build((batch, self.settings.hidden))

    def tag(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        mean = mean_frame(frames, valid)
        streams = [self.rgb_scaling(mean[:, :RGB]), self.audio_scaling(mean[:, RGB:])]
        x = self.input_dropout(ops.concatenate(streams, axis=-1), training=training)
        return self.head(self.dropout(self.hidden(x), training=training), training=training)

    def flops(self, frames: int = 1) -> int:
        return product_flops(self.hidden.kernel) + self.head.flops(frames)

    @property
    def needs_data(self) -> bool:
        return True

    def adapt(self, features: dict[str, Any], labels: np.ndarray) -> None:
        mean = self.mean_features(features)
        self.rgb_scaling.adapt(mean[:, :RGB])
        self.audio_scaling.adapt(mean[:, RGB:])
        self.head.adapt(labels)
