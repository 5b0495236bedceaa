"""NeXtVLAD: residuals to centres in groups of a widened frame, each group weighed by an attention."""

from dataclasses import dataclass, fields
from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.dropout import Dropout
from yt8m.models.heads import LogisticHead
from yt8m.models.net_vlad import flatten, weighted_sum
from yt8m.models.numerics import Float32Layer, Shape, Tensor, l2_normalize, product_flops, wide_policy
from yt8m.models.reverse_whitening import ReverseWhitening
from yt8m.models.settings import require
from yt8m.models.squeeze_excite import SqueezeExcite
from yt8m.models.tagger import AUDIO, RGB, Tagger


@keras.saving.register_keras_serializable("yt8m")
class NeXtVLAD(Float32Layer):
    """One vector of a set of frames, through `expansion * D` dimensions split into groups.

    With `x' = x E + e` split into G groups of `F = expansion * D / G` dimensions, attention
    `b_tg = sigmoid(x'_t A + a)_g` (zero on padding) and assignment `a_tgk = softmax_k(BN(x' W))_gk`:
    `v_k = sum_tg a_tgk b_tg (x'_tg - c_k)`, unit norm for each cluster, flattened (dimension d of cluster k at
    `d * K + k`), batch norm. Padding counts in the batch norms, as in the authors' training.

    Args:
        clusters: K.
        groups: G, a divisor of `expansion * D`.
        expansion: how much wider the frames are made.

    Call arguments:
        inputs: frames `[B, T, D]`.
        valid: float32 `[B, T]`, ones on real frames.
        training: whether batch norms use the batch's statistics.

    Returns float32 `[B, F * K]`.

    Raises:
        ValueError: when built for dimensions that the groups do not divide.

    Reference: Lin et al. 2018, section 3.2, https://arxiv.org/abs/1811.05014
    """

    def __init__(self, clusters: int, groups: int = 8, expansion: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clusters, self.groups, self.expansion = clusters, groups, expansion
        dtype = self.dtype_policy
        self.assignment_norm = BatchNorm(unbiased=False, name="assignment_norm", dtype=dtype)
        self.output_norm = BatchNorm(unbiased=False, name="output_norm", dtype=dtype)

    def build(self, input_shape: Shape) -> None:
        wide, each = self._widths(input_shape)
        dtype = self.dtype_policy
        self.expand = keras.layers.Dense(wide, kernel_initializer="he_normal", name="expand", dtype=dtype)
        self.expand.build(input_shape)
        self.attention = keras.layers.Dense(self.groups, kernel_initializer="he_normal", name="attention", dtype=dtype)
        self.attention.build((*input_shape[:-1], wide))
        self.kernel = self.add_weight(shape=(wide, self.groups * self.clusters), initializer="he_normal", name="kernel")
        self.assignment_norm.build((*input_shape[:-1], self.groups * self.clusters))
        self.centres = self.add_weight(
            shape=(each, self.clusters), initializer="he_normal", name="centres", autocast=False
        )
        self.output_norm.build((input_shape[0], each * self.clusters))

    def call(self, inputs: Tensor, valid: Tensor | None = None, training: bool | None = None) -> Tensor:
        wide = self.expand(inputs)
        weights = self._weights(wide, valid, training)
        parts = ops.reshape(wide, (-1, ops.shape(weights)[1], self.centres.shape[0]))
        mass = ops.sum(weights, axis=1, keepdims=True)
        residual = weighted_sum(parts, weights) - mass * ops.cast(self.centres, "float32")
        return self.output_norm(flatten(l2_normalize(residual, axis=1)), training=training)

    def _weights(self, wide: Tensor, valid: Tensor | None, training: bool | None) -> Tensor:
        """Assignment times attention of each group of each frame, float32 `[B, T * G, K]`."""
        frames = ops.shape(wide)[1]
        attention = ops.sigmoid(ops.cast(self.attention(wide), "float32"))
        if valid is not None:
            attention = attention * ops.cast(valid, "float32")[..., None]
        logits = self.assignment_norm(ops.matmul(wide, self.kernel), training=training)
        assignment = ops.softmax(ops.reshape(logits, (-1, frames * self.groups, self.clusters)), axis=-1)
        return assignment * ops.reshape(attention, (-1, frames * self.groups, 1))

    def _widths(self, input_shape: Shape) -> tuple[int, int]:
        """Dimensions of a widened frame, and of one of its groups."""
        wide = self.expansion * (input_shape[-1] or 0)
        if wide % self.groups:
            raise ValueError(f"groups must divide {wide} (expansion * dimensions), got {self.groups}")
        return wide, wide // self.groups

    def flops(self, frames: int = 1) -> int:
        """Of one video with `frames` frames: multiplications and additions of the matrix products."""
        kernels = (self.expand.kernel, self.attention.kernel, self.kernel)
        aggregation = product_flops(self.centres, frames * self.groups)
        return sum(product_flops(kernel, frames) for kernel in kernels) + aggregation

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self._widths(input_shape)[1] * self.clusters)

    def get_config(self) -> dict[str, Any]:
        own = {"clusters": self.clusters, "groups": self.groups, "expansion": self.expansion}
        return {**super().get_config(), **own}


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


class WhitenedTagger(Tagger):
    """Gives its network frames whose rgb whitening is undone; audio is left as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reverse_whitening = ReverseWhitening(name="reverse_whitening")

    def unwhiten(self, frames: Tensor) -> Tensor:
        """Dequantised frames `[B, T, 1152]` -> the same with strong directions strong again."""
        rgb = self.reverse_whitening(frames[..., :RGB])
        return ops.concatenate([rgb, frames[..., RGB:]], axis=-1)


@keras.saving.register_keras_serializable("yt8m")
class NeXtVLADTagger(WhitenedTagger):
    """NeXtVLAD, published with 128 clusters, 8 groups and 2048 hidden.

    Reference: Lin et al. 2018, https://arxiv.org/abs/1811.05014
    """

    Settings = BranchSettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.network = NeXtVLADBranch(self.num_classes, self.settings, name="network", dtype=self.dtype_policy)

    def build_layers(self, shape: Shape) -> None:
        self.network.build(shape)

    def tag(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        return ops.sigmoid(self.network(self.unwhiten(frames), valid=valid, training=training))

    def flops(self, frames: int = 1) -> int:
        return self.network.flops(frames)


@dataclass(frozen=True, kw_only=True)
class MixtureSettings(BranchSettings):
    """Of `nextvlad-mixture`: a branch's settings, and these.

    Attributes:
        branches: how many networks.
        temperature: T of the distillation.
        distillation: weight of the distillation's loss; the paper takes T^2.
    """

    clusters: int = 112
    reduction: int = 16
    branches: int = 3
    temperature: float = 3.0
    distillation: float = 9.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.branches >= 2, f"branches must be at least 2, got {self.branches}")
        require(self.temperature > 0, f"temperature must be above 0, got {self.temperature}")
        require(self.distillation >= 0, f"distillation must be at least 0, got {self.distillation}")


@keras.saving.register_keras_serializable("yt8m")
class NeXtVLADMixture(WhitenedTagger):
    """`p = sigmoid(sum_m w_m z_m)` of the branches' logits `z_m`, with `w = softmax(FC(BN(mean frame)))`.

    The mean is over all T frames, padding too, as in the authors' training. In training the loss
    `distillation * mean_b sum_m KL(softmax(z / T) || softmax(z_m / T))` (softmax over classes, z the mixture's logits)
    is added to `losses`.

    Reference: Lin et al. 2018, section 3.4, https://arxiv.org/abs/1811.05014; Lan et al. 2018,
    https://arxiv.org/abs/1806.04606
    """

    Settings = MixtureSettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dtype, count = self.dtype_policy, self.settings.branches
        self.weights_norm = BatchNorm(name="weights_norm", dtype=dtype)
        self.weights_dense = keras.layers.Dense(
            count, kernel_initializer="he_normal", name="weights_dense", dtype="float32"
        )
        self.branches = [
            NeXtVLADBranch(self.num_classes, self.settings, name=f"branch_{number}", dtype=dtype)
            for number in range(count)
        ]

    def build_layers(self, shape: Shape) -> None:
        self.weights_norm.build((shape[0], shape[-1]))
        self.weights_dense.build((shape[0], shape[-1]))
        for branch in self.branches:
            branch.build(shape)

    def tag(self, frames: Tensor, valid: Tensor, training: bool | None) -> Tensor:
        frames = self.unwhiten(frames)
        mean = self.weights_norm(ops.mean(frames, axis=1), training=training)
        weights = ops.softmax(self.weights_dense(mean), axis=-1)
        logits = ops.stack([branch(frames, valid=valid, training=training) for branch in self.branches], axis=1)
        mixture = ops.sum(weights[..., None] * logits, axis=1)
        if training and self.settings.distillation:
            self.add_loss(self._distillation(mixture, logits))
        return ops.sigmoid(mixture)

    def flops(self, frames: int = 1) -> int:
        return sum(branch.flops(frames) for branch in self.branches) + product_flops(self.weights_dense.kernel)

    def _distillation(self, mixture: Tensor, logits: Tensor) -> Tensor:
        """The loss of branches `[B, M, V]` that disagree with the mixture `[B, V]`."""
        teacher = ops.softmax(mixture / self.settings.temperature, axis=-1)[:, None, :]
        students = ops.softmax(logits / self.settings.temperature, axis=-1)
        divergence = ops.sum(teacher * (ops.log(teacher + 1e-8) - ops.log(students + 1e-8)), axis=-1)
        return self.settings.distillation * ops.mean(ops.sum(divergence, axis=-1))
