"""The limits that data must keep; a breach stops a run before training."""

import math
from collections.abc import Mapping
from typing import Any

from yt8m.errors import InputError

DEFAULTS: dict[str, float] = {
    "unknown_labels": 0,
    "duplicate_ids": 0,
    "leaked_ids": 0,
    "label_drift": 0.1,
    "frame_count_drift": 0.1,
    "feature_mean_drift": 0.25,
}
MEANINGS = {
    "unknown_labels": "label occurrences outside the vocabulary",
    "duplicate_ids": "videos whose id occurs before in the same partition",
    "leaked_ids": "video ids that occur in two partitions",
    "label_drift": "label occurrences that would have to move to restore the champion's label frequencies (share)",
    "frame_count_drift": "largest gap between the distributions of frame counts (share of the videos)",
    "feature_mean_drift": "shift of the feature means, in standard deviations between videos (root mean square)",
}


def read_thresholds(values: Mapping[str, Any] | None = None, where: str = "thresholds") -> dict[str, float]:
    """The defaults with some of them changed.

    Raises:
        InputError: an unknown name, or a value that is not a number from 0.
    """
    for name, value in (values or {}).items():
        if name not in DEFAULTS:
            raise InputError(f"{where}: there is no threshold '{name}'; there are {', '.join(DEFAULTS)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise InputError(f"{where}: '{name}' must be a number from 0; it is {value!r}")
    return {**DEFAULTS, **(values or {})}
