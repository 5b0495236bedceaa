"""Keeps libraries from speaking for themselves: kfp's client and kfp.local print, log and warn as they please."""

import builtins
import contextlib
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from typing import TextIO

CACHE_HIT = re.compile(r"Task (\S+) cache hit")


@contextlib.contextmanager
def quiet(log: TextIO | None = None, reused: Callable[[str], None] | None = None) -> Iterator[None]:
    """Send what is printed and logged inside into a log file, or nowhere: what matters comes as an exception as well.

    Args:
        log: gets it all.
        reused: is called with each task that `kfp.local` says it has taken from its cache.
    """

    def watch(record: logging.LogRecord) -> bool:
        if reused and (hit := CACHE_HIT.match(record.getMessage())):
            reused(hit[1])
        return True

    root = logging.getLogger()
    kept = root.handlers[:], root.level, root.manager.disable, builtins.print
    root.addFilter(watch)
    if log is None:
        logging.disable(logging.CRITICAL)
    else:
        root.handlers[:] = [logging.StreamHandler(log)]
        root.setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(log or io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(watch)
        root.handlers[:], level, disabled, builtins.print = kept
        root.setLevel(level)
        logging.disable(disabled)
