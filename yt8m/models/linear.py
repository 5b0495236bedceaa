"""The baselines: a classifier on the normalised mean frame."""

from dataclasses import dataclass
from typing import Any

import keras

from yt8m.models.heads import HeadSettings, LogisticHead, make_head
from yt8m.models.numerics import Shape, Tensor, l2_normalize, mean_frame
from yt8m.models.settings import require
from yt8m.models.tagger import Tagger


@dataclass(frozen=True, kw_only=True)
class LogisticSettings:
    """Of `logistic`.

    Attributes:
        l2: the penalty `0.5 l2 sum w^2` on the weights.
    """

    l2: float = 1e-8

    def __post_init__(self) -> None:
        require(self.l2 >= 0, f"l2 must be at least 0, got {self.l2}")


@dataclass(frozen=True, kw_only=True)
class MoESettings(HeadSettings):
    """Of `moe`: a head's settings."""


class MeanFrameTagger(Tagger):
    """A head on the mean of the real frames, scaled to unit norm."""

    def build_layers(self, shape: Shape) -> None:
        self.head.build((shape[0], shape[-1]))

    def tag(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        return self.head(l2_normalize(mean_frame(frames, valid)), training=training)

    def flops(self, frames: int = 1) -> int:
        return self.head.flops(frames)


@keras.saving.register_keras_serializable("yt8m")
class LogisticTagger(MeanFrameTagger):
    """Logistic regression for each label.

    Reference: Abu-El-Haija et al. 2016, section 4.2.1, https://arxiv.org/abs/1609.08675
    """

    Settings = LogisticSettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head = LogisticHead(self.num_classes, l2=self.settings.l2, name="head", dtype=self.dtype_policy)


@keras.saving.register_keras_serializable("yt8m")
class MoETagger(MeanFrameTagger):
    """Mixture of experts for each label.

    Reference: Abu-El-Haija et al. 2016, section 4.2.3, https://arxiv.org/abs/1609.08675
    """

    Settings = MoESettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head = make_head(self.num_classes, self.settings, self.dtype_policy)
