"""Taggers that sum frames by cluster: NetVLAD, NetFV and bags of frames in one shell.

Frames of unit norm -> batch norm -> one aggregation for each stream -> hidden layer -> context gating -> head.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.context_gating import ContextGating
from yt8m.models.dropout import Dropout
from yt8m.models.heads import HeadSettings, make_head
from yt8m.models.net_fv import NetFV
from yt8m.models.net_vlad import NetVLAD
from yt8m.models.numerics import Shape, Tensor, l2_normalize, product_flops, wide_policy
from yt8m.models.settings import require
from yt8m.models.soft_dbof import SoftDBoF
from yt8m.models.tagger import AUDIO, RGB, Tagger


@dataclass(frozen=True, kw_only=True)
class ClusteredSettings(HeadSettings):
    """Of the common shell.

    Attributes:
        clusters: K of the rgb stream; audio has fewer.
        hidden: size of the hidden layer.
        relu: batch norm and ReLU6 after the hidden layer; without it a bias alone.
        gating: context gating of the hidden layer.
        dropout: share of the aggregated vector dropped in training.
    """

    clusters: int = 64
    hidden: int = 1024
    relu: bool = False
    gating: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.clusters >= 2, f"clusters must be at least 2, got {self.clusters}")
        require(self.hidden >= 1, f"hidden must be at least 1, got {self.hidden}")
        require(0 <= self.dropout < 1, f"dropout must be at least 0 and below 1, got {self.dropout}")


@dataclass(frozen=True, kw_only=True)
class NetVLADSettings(ClusteredSettings):
    """Of `netvlad`.

    Attributes:
        centres: subtract learned centres; without them it is LightVLAD.
    """

    centres: bool = True


@dataclass(frozen=True, kw_only=True)
class NetFVSettings(ClusteredSettings):
    """Of `netfv`.

    Attributes:
        coupling: the centres are this times the assignment's weights; None makes them free variables.
    """

    coupling: float | None = 0.01


@dataclass(frozen=True, kw_only=True)
class DBoFSettings(ClusteredSettings):
    """Of `dbof`.

    Attributes:
        max_pooling: beside the sum over frames also the maximum.
    """

    clusters: int = 4096
    max_pooling: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.clusters >= 16, f"clusters must be at least 16, got {self.clusters}")


class ClusteredTagger(Tagger):
    """The common shell; a subclass says how a stream is aggregated.

    Reference: Miech et al. 2017, figure 1, https://arxiv.org/abs/1706.06905
    """

    Settings = ClusteredSettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings, dtype = self.settings, self.dtype_policy
        self.input_norm = BatchNorm(name="input_norm", dtype=dtype)
        self.rgb_pooling, self.audio_pooling = self.make_poolings()
        self.dropout = Dropout(settings.dropout, name="dropout", dtype=dtype)
        self.hidden = keras.layers.Dense(
            settings.hidden,
            use_bias=not settings.relu,
            kernel_initializer=keras.initializers.RandomNormal(stddev=1 / math.sqrt(settings.clusters)),
            bias_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="hidden",
            dtype=wide_policy(dtype),
        )
        self.hidden_norm = BatchNorm(name="hidden_norm", dtype=dtype) if settings.relu else None
        self.gating = ContextGating(name="gating", dtype=dtype) if settings.gating else None
        self.head = make_head(self.num_classes, settings, dtype)

    def make_poolings(self) -> tuple[keras.layers.Layer, keras.layers.Layer]:
        """The aggregations of rgb and audio."""
        raise NotImplementedError

    def build_layers(self, shape: Shape) -> None:
        self.input_norm.build(shape)
        sizes = 0
        for pooling, dimensions in ((self.rgb_pooling, RGB), (self.audio_pooling, AUDIO)):
            pooling.build((*shape[:-1], dimensions))
            sizes += pooling.compute_output_shape((*shape[:-1], dimensions))[-1]
        self.dropout.build((shape[0], sizes))
        self.hidden.build((shape[0], sizes))
        hidden = (shape[0], self.settings.hidden)
        for layer in (self.hidden_norm, self.gating, self.head):
            if layer is not None:
                layer.build(hidden)

    def tag(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        return self.head(self.encode(self.aggregate(frames, valid, training), training), training=training)

    def aggregate(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        """Frames `[B, T, 1152]` -> both streams' vectors, concatenated."""
        frames = self.input_norm(l2_normalize(frames), valid=valid, training=training)
        frames = ops.cast(frames, self.compute_dtype)  # once, before each stream's layers would
        rgb = self.rgb_pooling(frames[..., :RGB], valid=valid, training=training)
        audio = self.audio_pooling(frames[..., RGB:], valid=valid, training=training)
        return ops.concatenate([rgb, audio], axis=-1)

    def encode(self, x: Tensor, training: bool | None) -> Tensor:
        """The aggregated vector -> the gated hidden layer, float32 `[B, H]`."""
        hidden = ops.cast(self.hidden(self.dropout(x, training=training)), "float32")
        if self.hidden_norm is not None:
            hidden = ops.relu6(self.hidden_norm(hidden, training=training))
        return hidden if self.gating is None else self.gating(hidden, training=training)

    def flops(self, frames: int = 1) -> int:
        layers = (self.rgb_pooling, self.audio_pooling, self.gating, self.head)
        return sum(layer.flops(frames) for layer in layers if layer is not None) + product_flops(self.hidden.kernel)


@keras.saving.register_keras_serializable("yt8m")
class NetVLADTagger(ClusteredTagger):
    """NetVLAD with context gating; audio has half the clusters. The paper's best: 192 clusters, 1200 hidden."""

    Settings = NetVLADSettings

    def make_poolings(self) -> tuple[keras.layers.Layer, keras.layers.Layer]:
        clusters, options = self.settings.clusters, {"centres": self.settings.centres, "dtype": self.dtype_policy}
        return NetVLAD(clusters, name="rgb", **options), NetVLAD(clusters // 2, name="audio", **options)


@keras.saving.register_keras_serializable("yt8m")
class NetFVTagger(ClusteredTagger):
    """NetFV with context gating; audio has half the clusters. The paper's best: 120 clusters, 1024 hidden."""

    Settings = NetFVSettings

    def make_poolings(self) -> tuple[keras.layers.Layer, keras.layers.Layer]:
        clusters, options = self.settings.clusters, {"coupling": self.settings.coupling, "dtype": self.dtype_policy}
        return NetFV(clusters, name="rgb", **options), NetFV(clusters // 2, name="audio", **options)


@keras.saving.register_keras_serializable("yt8m")
class DBoFTagger(ClusteredTagger):
    """A soft bag of frames with context gating; audio has an eighth of the clusters."""

    Settings = DBoFSettings

    def make_poolings(self) -> tuple[keras.layers.Layer, keras.layers.Layer]:
        clusters = self.settings.clusters
        options = {"max_pooling": self.settings.max_pooling, "dtype": self.dtype_policy}
        return SoftDBoF(clusters, name="rgb", **options), SoftDBoF(clusters // 8, name="audio", **options)
