"""Which seeds there are: one range for everything random, so that no later step refuses what an earlier one took."""

from yt8m.errors import InputError

HIGHEST = 2**32 - 1


def check_seed(seed: int, what: str = "--seed") -> None:
    """Raises InputError, which begins with `what`, for a seed that is not from 0 to 2^32 - 1."""
    if not 0 <= seed <= HIGHEST:
        raise InputError(f"{what} {seed}: it can be 0 to {HIGHEST}")
