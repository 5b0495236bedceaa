"""How fast a phase runs, and how much of its time it waits for input."""

import time
from typing import Any

import numpy as np

from yt8m.loader import Batches
from yt8m.training.feed import Feed


class Meter:
    """Measures a phase: throughput, time spent waiting for input, bytes over the network.

    The first step after `start` compiles, and is left out.

    Args:
        batch_size: examples a step.
        step: of the phase, at which it starts.
    """

    def __init__(self, batch_size: int, step: int):
        self._batch_size, self._first = batch_size, step + 1
        self._feed: Feed | None = None
        self._batches: Batches | None = None
        self._begun = self._marked = self._reading(step)
        self._idle = 0.0

    def start(self, feed: Feed, batches: Batches) -> None:
        """Begin, with what the data come from."""
        self._feed, self._batches = feed, batches
        self._begun = self._marked = self._reading(self._first - 1)

    def is_first(self, step: int) -> bool:
        """Whether this step is the first one since the start."""
        return step == self._first

    def first_step_done(self) -> None:
        """Begin anew after the first step; what came over the network before it counts."""
        self._begun = self._marked = np.append(self._reading(self._first)[:3], self._marked[3])

    def read(self, step: int) -> dict[str, Any]:
        """The stretch that ends with a step."""
        seconds, steps, waited, moved = self._reading(step) - self._marked
        return {
            "examples_per_second": float(steps * self._batch_size / max(seconds, 1e-9)),
            "waited_seconds": float(waited),
            "waiting_share": float(waited / max(seconds, 1e-9)),
            "network_bytes": int(moved),
        }

    def resume(self, step: int, idle: float) -> None:
        """Begin the next stretch after a validation, which took so many seconds."""
        self._idle += idle
        self._marked = self._reading(step)

    def waiting_share(self) -> float:
        """Of the time since the first step, validations left out."""
        seconds, _, waited, _ = self._reading(0) - self._begun
        return float(waited / max(seconds - self._idle, 1e-9))

    def _reading(self, step: int) -> np.ndarray:
        waited = self._feed.waited_seconds if self._feed else 0.0
        moved = self._batches.network_bytes if self._batches else 0
        return np.array([time.monotonic(), step, waited, moved], np.float64)
