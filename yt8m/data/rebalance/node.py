"""A value of a recipe that knows where it stands, so that an error names the file, the key and what is valid."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from yt8m.errors import InputError


@dataclass(frozen=True)
class Node:
    """A value of a recipe.

    Attributes:
        value: as YAML gave it.
        file: the recipe's file, for errors and for the paths that the recipe names.
        key: where the value stands, e.g. `phases[0].select`.
    """

    value: Any
    file: str
    key: str = ""

    def fail(self, rule: str) -> NoReturn:
        """Raise an InputError: the file, the key, the value, and what is valid."""
        place = f"{self.file}: {self.key}" if self.key else f"{self.file}"
        text = repr(self.value)
        raise InputError(f"{place} is {text if len(text) < 80 else text[:76] + ' ...'}; {rule}")

    def child(self, key: str) -> "Node":
        """The value under a key of this mapping."""
        return Node(self.value[key], self.file, f"{self.key}.{key}" if self.key else key)

    def items(self, what: str) -> list["Node"]:
        """The values of this list; it must hold one at least."""
        if not isinstance(self.value, list) or not self.value:
            self.fail(f"give a list of {what}")
        return [Node(value, self.file, f"{self.key}[{position}]") for position, value in enumerate(self.value)]

    def mapping(self, allowed: Iterable[str], required: Iterable[str] = ()) -> dict[str, "Node"]:
        """The values of this mapping by key; every key must be allowed, every required one there."""
        allowed = tuple(allowed)
        if not isinstance(self.value, dict):
            self.fail(f"give a mapping; its keys are {', '.join(allowed)}")
        for key in self.value:
            if key not in allowed:
                inside = f" in {self.key}" if self.key else ""
                raise InputError(f"{self.file}: unknown key {key!r}{inside}; the keys are {', '.join(allowed)}")
        for key in required:
            if key not in self.value:
                self.fail(f"the key {key} is missing")
        return {key: self.child(key) for key in self.value}

    def one_of(self, allowed: Iterable[str]) -> tuple[str, "Node"]:
        """The key and the value of a mapping that holds exactly one of the allowed keys."""
        allowed = tuple(allowed)
        children = self.mapping(allowed)
        if len(children) != 1:
            self.fail(f"give exactly one of {', '.join(allowed)}")
        return next(iter(children.items()))

    def number(self, low: float, high: float = float("inf"), *, above: bool = False, below: bool = False) -> float:
        """The value as a float between two limits; `above`/`below`: the limit itself is not allowed."""
        value = self.value
        plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not plain or value < low or value > high or (above and value == low) or (below and value == high):
            start = f"above {low:g}" if above else f"of at least {low:g}"
            end = "" if high == float("inf") else f" and {'below' if below else 'at most'} {high:g}"
            self.fail(f"give a number {start}{end}")
        return float(value)

    def whole(self, low: int, high: int = 2**31 - 1) -> int:
        """The value as a whole number from `low` to `high`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not low <= self.value <= high:
            self.fail(f"give a whole number from {low} to {high}")
        return int(self.value)

    def text(self) -> str:
        """The value as one line of text."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail("give a line of text")
        return " ".join(self.value.split())
