"""Keeps `kfp.local`, which prints all that it and its steps say, to the log file."""

import builtins
import contextlib
import logging
import re
import warnings
from collections.abc import Iterator

from targets.journal import Journal

CACHE_HIT = re.compile(r"Task (\S+) cache hit")


@contextlib.contextmanager
def quiet(journal: Journal) -> Iterator[None]:
    """Send what `kfp.local` prints and logs into the log file, and take from it which tasks were reused."""

    def watch(record: logging.LogRecord) -> bool:
        if hit := CACHE_HIT.match(record.getMessage()):
            journal.reuse(hit[1])
        return True

    root = logging.getLogger()
    kept = root.handlers[:], root.level, builtins.print
    root.handlers[:] = [logging.StreamHandler(journal.log)]
    root.setLevel(logging.INFO)
    root.addFilter(watch)
    try:
        with contextlib.redirect_stdout(journal.log), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(watch)
        root.handlers[:], level, builtins.print = kept[0], kept[1], kept[2]
        root.setLevel(level)
