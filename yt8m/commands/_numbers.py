"""Numbers on the command line, with what is valid said in one line."""

import argparse
import math
from collections.abc import Callable


def at_least(low: int) -> Callable[[str], int]:
    """A type of an argument: a whole number from `low` on."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low:
            raise argparse.ArgumentTypeError(f"give a whole number of at least {low}, not {text}")
        return number

    return parse


def positive(text: str) -> float:
    """A type of an argument: a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"give a number above 0, not {text}")
    return number
