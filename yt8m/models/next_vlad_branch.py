"""One NeXtVLAD network, from dequantised frames to logits."""

from dataclasses import dataclass, fields
from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.dropout import Dropout
from yt8m.models.logistic_head import LogisticHead
from yt8m.models.next_vlad import NeXtVLAD
from yt8m.models.numerics import Float32Layer, Shape, Tensor, product_flops, wide_policy
from yt8m.models.settings import require
from yt8m.models.squeeze_excite import SqueezeExcite
from yt8m.models.tagger import AUDIO, RGB


@dataclass(frozen=True, kw_only=True)
class BranchSettings:
    """Of one NeXtVLAD network.

    Attributes:
        clusters: K of the rgb stream; audio has half.
        hidden: size of the hidden layer.
        groups: G of the rgb stream; audio has half.
        expansion: how much wider the frames are made.
        reduction: of the squeeze-excite gating.
        dropout: share of the aggregated vector dropped in training.
        l2: the penalty `0.5 l2 sum w^2` on the head's weights and biases.
    """

    clusters: int = 128
    hidden: int = 2048
    groups: int = 8
    expansion: int = 2
    reduction: int = 8
    dropout: float = 0.5
    l2: float = 1e-5

    def __post_init__(self) -> None:
        require(self.clusters >= 2, f"clusters must be at least 2, got {self.clusters}")
        for name in ("hidden", "expansion", "reduction"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        fits = self.groups >= 2 and not self.groups % 2 and not self.expansion * AUDIO * 2 % self.groups
        require(fits, f"groups must be an even divisor of {self.expansion * AUDIO * 2}, got {self.groups}")
        require(0 <= self.dropout < 1, f"dropout must be at least 0 and below 1, got {self.dropout}")
        require(self.l2 >= 0, f"l2 must be at least 0, got {self.l2}")


@keras.saving.register_keras_serializable("yt8m")
class NeXtVLADBranch(Float32Layer):
    """NeXtVLAD of each stream -> dropout -> hidden layer with batch norm -> squeeze-excite -> logits.

    Args:
        num_classes: V.
        settings: a `BranchSettings`, or a mapping of its fields.

    Call arguments:
        inputs: frames `[B, T, 1152]`.
        valid: float32 `[B, T]`, ones on real frames.
        training: whether batch norm uses the batch's statistics, and dropout is on.

    Returns logits, float32 `[B, V]`.

    Reference: Lin et al. 2018, figure 4, https://arxiv.org/abs/1811.05014
    """

    def __init__(self, num_classes: int, settings: BranchSettings | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        settings = BranchSettings(**settings) if isinstance(settings, dict) else settings
        self.num_classes, self.settings = num_classes, settings
        clusters, groups, expansion = settings.clusters, settings.groups, settings.expansion
        dtype = self.dtype_policy
        self.rgb_pooling = NeXtVLAD(clusters, groups, expansion, name="rgb", dtype=dtype)
        self.audio_pooling = NeXtVLAD(clusters // 2, groups // 2, expansion, name="audio", dtype=dtype)
        self.dropout = Dropout(settings.dropout, name="dropout", dtype=dtype)
        self.hidden = keras.layers.Dense(
            settings.hidden, use_bias=False, kernel_initializer="he_normal", name="hidden", dtype=wide_policy(dtype)
        )
        self.hidden_norm = BatchNorm(unbiased=False, name="hidden_norm", dtype=dtype)
        self.gating = SqueezeExcite(settings.reduction, name="gating", dtype=dtype)
        self.head = LogisticHead(
            num_classes, l2=settings.l2, l2_biases=True, initializer="he_normal", logits=True, name="head", dtype=dtype
        )

    def build(self, input_shape: Shape) -> None:
        size = 0
        for pooling, dimensions in ((self.rgb_pooling, RGB), (self.audio_pooling, AUDIO)):
            pooling.build((*input_shape[:-1], dimensions))
            size += pooling.compute_output_shape((*input_shape[:-1], dimensions))[-1] or 0
        self.dropout.build((input_shape[0], size))
        self.hidden.build((input_shape[0], size))
        for layer in (self.hidden_norm, self.gating, self.head):
            layer.build((input_shape[0], self.settings.hidden))

    def call(self, inputs: Tensor, valid: Tensor, training: bool | None = None) -> Tensor:
        return self.head(self.encode(self.aggregate(inputs, valid, training), training))

    def aggregate(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        """Frames `[B, T, 1152]` -> both streams' vectors, concatenated."""
        rgb = self.rgb_pooling(frames[..., :RGB], valid=valid, training=training)
        audio = self.audio_pooling(frames[..., RGB:], valid=valid, training=training)
        return ops.concatenate([rgb, audio], axis=-1)

    def encode(self, x: Tensor, training: bool | None) -> Tensor:
        """The aggregated vector -> the gated hidden layer, float32 `[B, H]`."""
        hidden = self.hidden(self.dropout(x, training=training))
        return self.gating(self.hidden_norm(hidden, training=training), training=training)

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        layers = (self.rgb_pooling, self.audio_pooling, self.gating, self.head)
        return sum(layer.flops(frames) for layer in layers) + product_flops(self.hidden.kernel)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        settings = {field.name: getattr(self.settings, field.name) for field in fields(BranchSettings)}
        return {**super().get_config(), "num_classes": self.num_classes, "settings": settings}
