"""The steps of a run in their order, for its summary: which come before which."""

from collections.abc import Sequence
from dataclasses import dataclass

PARTITIONS = ("train", "validate", "test")


@dataclass(frozen=True)
class Step:
    """A step: its name, the kind of machine it runs on, and the names of the steps that it waits for."""

    name: str
    kind: str = "data"
    after: tuple[str, ...] = ()


def steps_of(candidates: Sequence[str]) -> list[Step]:
    """The steps of a run with these candidates, each after those that it waits for."""
    sources = tuple(f"fingerprint-source {partition}" for partition in PARTITIONS)
    indexes = tuple(f"index-videos {partition}" for partition in PARTITIONS)
    return [
        *(Step(name) for name in sources),
        Step("check-changes", after=sources),
        *(Step(name, after=("check-changes",)) for name in indexes),
        Step("statistics", after=indexes[:1]),
        Step("validate-data", after=indexes),
        Step("rebalance", after=(*indexes, "validate-data")),
        *(step for candidate in candidates for step in _candidate_steps(candidate)),
        Step("select-model", after=tuple(f"evaluate {candidate}" for candidate in candidates)),
        Step("analyze-errors", after=("select-model",)),
        Step("predict test", "predict", ("select-model",)),
        Step("write-submission", after=("predict test",)),
        Step("promote-model", "predict", ("select-model",)),
        Step("publish-results", after=("statistics", "analyze-errors", "write-submission", "promote-model")),
    ]


def _candidate_steps(candidate: str) -> list[Step]:
    trained, predicted = f"train {candidate}", f"predict validate {candidate}"
    return [
        Step(trained, "train", ("rebalance",)),
        Step(predicted, "predict", (trained,)),
        Step(f"evaluate {candidate}", after=(predicted,)),
    ]


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
