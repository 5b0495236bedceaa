"""A polite request to stop: SIGTERM, as Kubernetes and batch systems send it before they kill."""

import signal
import threading
from typing import Any, Self

from yt8m.errors import Interrupted


class Interruption:
    """A context manager that turns SIGTERM into a flag; outside the main thread it does nothing.

    Attributes:
        requested: whether the signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._kept: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._kept = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._kept is not None:
            signal.signal(signal.SIGTERM, self._kept)

    def check(self) -> None:
        """Raise Interrupted if the signal has come."""
        if self.requested:
            raise Interrupted("the training was stopped by SIGTERM")

    def _note(self, number: int, frame: Any) -> None:
        self.requested = True
