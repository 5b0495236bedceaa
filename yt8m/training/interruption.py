"""A polite request to stop: SIGTERM, as batch systems send it before they kill, Ctrl-C, or a terminal that closes."""

import os
import signal
import threading
from contextlib import suppress
from typing import Any, Self

from yt8m.errors import Interrupted

NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C", signal.SIGHUP: "SIGHUP"}
NOTICE = b"\nyt8m: stopping after this step, with a checkpoint; Ctrl-C again ends at once, without one\n"


class Interruption:
    """A context manager that turns the signals into a flag; outside the main thread it does nothing.

    A second Ctrl-C ends the process at once, whatever it is in. A signal that the process was started to ignore (by
    nohup, or in the background of a script) stays ignored.

    Attributes:
        requested: the name of the signal that has come, if one has.
    """

    def __init__(self) -> None:
        self.requested: str | None = None
        self._kept: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in NAMES:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._kept[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._kept.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.requested:
            raise Interrupted(f"the training was stopped by {self.requested}")

    def _note(self, number: int, frame: Any) -> None:
        self.requested = NAMES[signal.Signals(number)]
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            with suppress(OSError):
                os.write(2, NOTICE)  # not by `log`, which the signal may have come in the middle of
