"""The classifier on top of a video's vector, by name."""

from dataclasses import dataclass
from typing import Any

import keras

from yt8m.models.label_embedding import LabelEmbeddingHead
from yt8m.models.logistic_head import LogisticHead
from yt8m.models.mixture_of_experts import MixtureOfExperts
from yt8m.models.settings import require

HEADS = ("moe", "logistic", "label-embedding")


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """Which classifier, and its shape.

    Attributes:
        head: `moe`, `logistic`, or `label-embedding` (which the model's `adapt` has to be called for).
        mixtures: experts a label (moe).
        gate_rank: rank of the gates' weights; None for full (moe).
        probability_gating: context gating of the probabilities (moe).
        l2: the penalty `0.5 l2 sum w^2` on the head's weights.
    """

    head: str = "moe"
    mixtures: int = 2
    gate_rank: int | None = None
    probability_gating: bool = False
    l2: float = 1e-6

    def __post_init__(self) -> None:
        require(self.head in HEADS, f"head must be one of {', '.join(HEADS)}, got '{self.head}'")
        require(self.mixtures >= 1, f"mixtures must be at least 1, got {self.mixtures}")
        require(self.gate_rank is None or self.gate_rank >= 1, f"gate_rank must be at least 1, got {self.gate_rank}")
        require(self.l2 >= 0, f"l2 must be at least 0, got {self.l2}")


def make_head(num_classes: int, settings: HeadSettings, dtype: Any) -> keras.layers.Layer:
    """The head that the settings ask for, of `[B, H]` -> probabilities `[B, num_classes]`."""
    if settings.head == "logistic":
        return LogisticHead(num_classes, l2=settings.l2, name="head", dtype=dtype)
    if settings.head == "label-embedding":
        return LabelEmbeddingHead(num_classes, l2=settings.l2, name="head", dtype=dtype)
    return MixtureOfExperts(
        num_classes,
        mixtures=settings.mixtures,
        gate_rank=settings.gate_rank,
        probability_gating=settings.probability_gating,
        l2=settings.l2,
        name="head",
        dtype=dtype,
    )
