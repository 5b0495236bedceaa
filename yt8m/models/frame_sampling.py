"""Choosing frames of a video inside a model, by the same rules as the loader's."""

from typing import Any

import keras
from keras import ops

from yt8m.models.numerics import Tensor

KINDS = ("random", "contiguous", "even", "all")


@keras.saving.register_keras_serializable("yt8m")
class FrameSampling(keras.layers.Layer):
    """`count` frames of each video; K is `count`, n the video's frames.

    Kinds:
        random: K draws with replacement, frame `int(U * n)`, U uniform in [0, 1); never padding.
        contiguous: K neighbours from a random start; all n, and padding, when n < K.
        even: frames `int((k + 1/2) * n / K)`, the same every time; frames repeat when n < K.
        all: the first K frames, and padding when n < K.

    Args:
        kind: one of the above.
        count: K, at least 1.
        seed: of the draws.

    Call arguments:
        inputs: frames `[B, T, D]`.
        num_frames: int32 `[B]`, n.
        draws: U to use instead of fresh ones, `[B, K]` for random and `[B, 1]` for contiguous.

    Returns the frames `[B, K, D]` in the type of the inputs, and int32 `[B]`, how many of them are real.

    Raises:
        ValueError: another kind, or a count below 1.
    """

    def __init__(self, kind: str = "random", count: int = 30, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.kind, self.count, self.seed = kind, count, seed
        self.generator = keras.random.SeedGenerator(seed) if kind in ("random", "contiguous") else None

    def call(self, inputs: Tensor, num_frames: Tensor, draws: Tensor | None = None) -> tuple[Tensor, Tensor]:
        num_frames = ops.cast(num_frames, "int32")
        index = ops.clip(self._index(num_frames, draws), 0, ops.shape(inputs)[1] - 1)
        frames = ops.take_along_axis(inputs, index[..., None], axis=1)
        padded = self.kind in ("contiguous", "all")
        return frames, ops.minimum(num_frames, self.count) if padded else ops.full_like(num_frames, self.count)

    def _index(self, num_frames: Tensor, draws: Tensor | None) -> Tensor:
        """Positions of the chosen frames, int32 `[B, K]`."""
        n, k = num_frames[:, None], ops.arange(self.count, dtype="int32")[None, :]
        if self.kind == "random":
            return _scale(self._draws(num_frames, draws, self.count), n)
        if self.kind == "contiguous":
            starts = ops.maximum(n - self.count, 0) + 1
            return _scale(self._draws(num_frames, draws, 1), starts) + k
        if self.kind == "even":
            return ops.floor_divide((2 * k + 1) * n, 2 * self.count)
        return k + 0 * n

    def _draws(self, num_frames: Tensor, draws: Tensor | None, count: int) -> Tensor:
        if draws is not None:
            return ops.cast(draws, "float32")
        return keras.random.uniform((ops.shape(num_frames)[0], count), dtype="float32", seed=self.generator)

    def compute_output_spec(self, inputs: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """The symbolic frames, in the type of the inputs, and their number."""
        batch, _, dimensions = inputs.shape
        frames = keras.KerasTensor((batch, self.count, dimensions), dtype=inputs.dtype)
        return frames, keras.KerasTensor((batch,), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "count": self.count, "seed": self.seed}


def _scale(draws: Tensor, n: Tensor) -> Tensor:
    """`int(U * n)`, below n also where the product rounds up to it; int32."""
    return ops.minimum(ops.cast(draws * ops.cast(n, "float32"), "int32"), n - 1)
