"""The validation videos in two halves: one to choose by, the other to decide on a promotion.

Who wins among several on some videos is partly lucky on these, so its score there flatters it. A training picks its
best step, and a run its best candidate, on one half; a promotion is decided on the other, which had no say in either
choice. The half of a video follows from its id alone, so it is the same in every run and every index; the hash is not
the one by which training draws its validation sample, so both halves have their share of that.
"""

import hashlib
from typing import Literal

import numpy as np

from yt8m.errors import InputError
from yt8m.prediction.table import Predictions, taken
from yt8m.storage import StrPath

Half = Literal["selection", "promotion"]


def in_half(video_ids: np.ndarray, half: Half) -> np.ndarray:
    """Bool [n]: whether each video (bytes, NumPy `S`) belongs to a half: the lowest bit of BLAKE2b of its id."""
    wanted = half == "promotion"
    bits = (hashlib.blake2b(video, digest_size=1, person=b"yt8m-half").digest()[0] & 1 for video in video_ids.tolist())
    return np.fromiter(bits, np.bool_, len(video_ids)) == wanted


def half_of(table: Predictions, half: Half, path: StrPath) -> Predictions:
    """The predictions of the videos of one half, in their order.

    Args:
        table: predictions of the whole validation index, or of this half.
        half: which one.
        path: where they came from, for the error.

    Raises:
        InputError: no video of the half has a true label, so nothing can be judged on it.
    """
    kept = in_half(table.video_ids, half)
    if not table.labels_per_video[kept].any():
        raise InputError(
            f"{path}: none of its {len(table):,} videos is a labelled one of the {half} half of the validation set; "
            "index more validation videos"
        )
    return taken(table, np.flatnonzero(kept))
