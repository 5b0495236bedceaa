"""Lists of unequal lengths that lie one after the other in one array."""

import numpy as np


def ragged_positions(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The positions of spans: `starts[0], starts[0] + 1, ...` for `sizes[0]` of them, then those of the next span.

    Args:
        starts: int64 [n].
        sizes: int64 [n], zero or more each.

    Returns:
        int64 [sum of sizes].
    """
    ends = np.cumsum(sizes)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
