"""What a model is fed with."""

from dataclasses import dataclass

import numpy as np

PADDING = -1


@dataclass(frozen=True)
class Batch:
    """B videos with T frames each. Its arrays are valid for as long as anybody holds them.

    Attributes:
        rgb: uint8 [B, T, 1024]; of video-level records float32 [B, 1, 1024].
        audio: uint8 [B, T, 128]; of video-level records float32 [B, 1, 128].
        num_frames: int32 [B], the valid ones of the T; the others are zero.
        labels: uint8 [B, classes], 1 where the video has the label; None when no number of classes was given.
        rows: int64 [B], of the index; -1 fills up a last short batch and stands for a record that was left out. Such
            a row has one frame of zeros (so that no model divides by zero) and no label.
    """

    rgb: np.ndarray
    audio: np.ndarray
    num_frames: np.ndarray
    labels: np.ndarray | None
    rows: np.ndarray

    def inputs(self) -> dict[str, np.ndarray]:
        """What a model takes."""
        return {"rgb": self.rgb, "audio": self.audio, "num_frames": self.num_frames}
