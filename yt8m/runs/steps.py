"""The steps of a run in their order, for its summary: which come before which.

The pipeline's definition says them (`targets.dag` reads them from it), once for all candidates; here they are those of
a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """A step: its name, the kind of machine it runs on, and the names of the steps that it waits for."""

    name: str
    kind: str = "data"
    after: tuple[str, ...] = ()


def steps_of(described: Sequence[Mapping[str, Any]], candidates: Sequence[str]) -> list[Step]:
    """The steps of a run with these candidates, each after those that it waits for.

    Args:
        described: `{name, kind, after, each}` of each step of the pipeline; those with `each` are there once for each
            candidate, named `NAME CANDIDATE`.
        candidates: names.
    """
    each = {entry["name"] for entry in described if entry["each"]}
    steps: list[Step] = []
    for entry in described:
        if not entry["each"]:
            after = [place for name in entry["after"] for place in _places(name, each, candidates)]
            steps.append(Step(entry["name"], entry["kind"], tuple(after)))
        elif entry is next(first for first in described if first["each"]):
            steps += [_of(candidate, own, each) for candidate in candidates for own in described if own["each"]]
    return steps


def _places(name: str, each: set[str], candidates: Sequence[str]) -> list[str]:
    return [f"{name} {candidate}" for candidate in candidates] if name in each else [name]


def _of(candidate: str, entry: Mapping[str, Any], each: set[str]) -> Step:
    after = tuple(f"{name} {candidate}" if name in each else name for name in entry["after"])
    return Step(f"{entry['name']} {candidate}", entry["kind"], after)


def before(steps: Sequence[Step], names: set[str]) -> set[str]:
    """All steps that the named ones wait for, directly or not."""
    waits_for = {step.name: step.after for step in steps}
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        for name in waits_for.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found
