"""Progress on long work: a bar on a terminal, plain lines elsewhere, always on stderr."""

import sys
import time

from tqdm import tqdm

LINE_SECONDS = 10.0


def log(message: str) -> None:
    """One plain line on stderr; nowhere in a program that has none."""
    if sys.stderr is not None:
        tqdm.write(message, file=sys.stderr)


class Progress:
    """Counts finished units; a context manager.

    Args:
        description: what is being done, e.g. `indexing`.
        total: units in all, or None when unknown.
        unit: the name of a unit in the plural, e.g. `shards`.
        first_line: seconds to the first plain line; later ones come every `LINE_SECONDS`.
    """

    def __init__(
        self, description: str, total: int | None = None, unit: str = "items", first_line: float = LINE_SECONDS
    ):
        self.description, self.total, self.unit, self.done = description, total, unit, 0
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._started = time.monotonic()
        self._next_line = self._started + first_line
        self._bar = tqdm(
            desc=description, total=total, unit=f" {unit}", disable=not self._terminal, file=sys.stderr,
            dynamic_ncols=True,
        )  # fmt: skip

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count `units` more; `note` (e.g. a loss) is shown beside the count."""
        self.done += units
        if self._terminal:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(units)
            return
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + LINE_SECONDS
            self._line(now - self._started, note)

    def _line(self, seconds: float, note: str) -> None:
        rate = self.done / seconds
        text = f"{self.description}: {self.done:,}"
        if self.total:
            remaining = (self.total - self.done) / rate
            text += f" of {self.total:,} {self.unit}, {remaining:.0f} s left"
        else:
            text += f" {self.unit}"
        speed = f"{rate:,.0f} a second" if rate >= 1 else f"{1 / rate:,.1f} s each"
        log(f"{text}, {speed}" + (f", {note}" if note else ""))
