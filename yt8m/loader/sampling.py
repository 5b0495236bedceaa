"""Which frames of a video a batch holds.

The draws belong to an item of the training (see `yt8m.loader.order`), not to a worker or a batch: item i of a phase
has the same draws whatever the batch size, the number of threads, and the step a run was resumed at.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from yt8m.errors import InputError
from yt8m.loader.order import FRAMES, stream

Kind = Literal["random", "contiguous", "even", "all"]
MAX_FRAMES = 300


@dataclass(frozen=True)
class FrameSampling:
    """How to choose frames.

    Kinds, for a video of n frames (the few with 301 count as 300 except under `all`) and `count` K:
        random: K draws with replacement, frame `int(U * n)`; never padded.
        contiguous: K neighbours from a random start; all n and padding when n < K.
        even: frames `int((k + 1/2) * n / K)`, the same every time; never padded (frames repeat when n < K).
        all: the first K frames, and padding when n < K.

    Raises:
        InputError: another kind, or a count below 1.
    """

    kind: Kind = "random"
    count: int = 30

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"frame sampling {self.kind!r} is not known; choose of {', '.join(get_args(Kind))}")
        if self.count < 1:
            raise InputError(f"frame sampling of {self.count} frames; the count must be at least 1")

    @property
    def draws(self) -> int:
        """Random numbers that one video needs."""
        return {"random": self.count, "contiguous": 1}.get(self.kind, 0)

    def choose(self, num_frames: int, draws: np.ndarray) -> slice | np.ndarray:
        """The frames of one video: a slice, or int64 [count] positions.

        Args:
            num_frames: how many it has, at least 1.
            draws: float64 [self.draws], uniform in [0, 1).
        """
        if self.kind == "all":
            return slice(0, min(num_frames, self.count))
        num_frames = min(num_frames, MAX_FRAMES)
        if self.kind == "random":
            return (draws * num_frames).astype(np.int64)
        if self.kind == "even":
            return (2 * np.arange(self.count) + 1) * num_frames // (2 * self.count)
        start = int(draws[0] * max(num_frames - self.count + 1, 1))
        return slice(start, min(start + self.count, num_frames))


def frame_draws(sampling: FrameSampling, seed: int, phase: int, start: int, stop: int) -> np.ndarray:
    """float64 [stop - start, sampling.draws], uniform in [0, 1): the draws of items start to stop (exclusive)."""
    shape = (stop - start, sampling.draws)
    random = stream(seed, FRAMES, phase)
    random.advance(start * sampling.draws)
    bits = random.random_raw(shape[0] * shape[1])
    return (bits >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53
