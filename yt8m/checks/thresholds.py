"""The limits that data must keep; a breach stops a run before training.

The limit of a drift is the true drift that is allowed, whatever the sizes: a value above it is a breach when it is
also beyond what chance brings at the sizes compared. With a limit of 0 all that is beyond chance is one.
"""

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
    "feature_mean_drift": 0.1,
    "feature_std_drift": 0.1,
    "feature_skew_drift": 0.04,
    "feature_size_drift": 0.2,
}
MEANINGS = {
    "unknown_labels": "label occurrences outside the vocabulary",
    "duplicate_ids": "videos whose id occurs before in the same partition",
    "leaked_ids": "video ids that occur in two partitions",
    "label_drift": "label occurrences that would have to move to restore the champion's label frequencies (share)",
    "frame_count_drift": "largest gap between the distributions of frame counts (share of the videos)",
    "feature_mean_drift": "shift of the feature means, in standard deviations between videos (root mean square)",
    "feature_std_drift": "change of the features' deviations between videos (log ratio, root mean square)",
    "feature_skew_drift": "change of the features' asymmetry, by which a flipped sign and another order are seen",
    "feature_size_drift": "change of how much videos differ in size, by which noise and mixed-up values are seen "
    "(log ratio)",
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
