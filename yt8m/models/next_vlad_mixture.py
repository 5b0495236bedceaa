"""Several NeXtVLAD networks that vote, and learn from their vote while they train."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from yt8m.models.batch_norm import BatchNorm
from yt8m.models.next_vlad_branch import BranchSettings, NeXtVLADBranch
from yt8m.models.next_vlad_tagger import WhitenedTagger
from yt8m.models.numerics import Shape, Tensor, product_flops
from yt8m.models.settings import require


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
