"""Numbers on the command line, with what is valid said in one line."""

import argparse
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
