"""The strongest single model below 1 GB: one NeXtVLAD network."""

from typing import Any

import keras
from keras import ops

from yt8m.models.next_vlad_branch import BranchSettings, NeXtVLADBranch
from yt8m.models.numerics import Shape, Tensor
from yt8m.models.reverse_whitening import ReverseWhitening
from yt8m.models.tagger import RGB, Tagger


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
