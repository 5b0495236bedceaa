"""The way to Keras and TensorFlow: no notices on stderr, no libraries unused here, and a pinned environment."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from yt8m.pinned import pinned_environment

UNUSED = ("sklearn", "matplotlib.pyplot")
"""What Keras imports if it is there, for wrappers and galleries: a third of the time of its own import."""


@contextmanager
def quiet_start(*, any_backend: bool = False) -> Iterator[None]:
    """Import TensorFlow (or Keras) inside: what is written to file descriptor 2 shows only if the import fails.

    From then on TensorFlow logs errors alone, unless TF_CPP_MIN_LOG_LEVEL says otherwise. `UNUSED` cannot be imported
    inside, and can be afterwards.

    Args:
        any_backend: see `pinned_environment`.

    Raises:
        InputError: see there.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with pinned_environment(any_backend=any_backend), _without(UNUSED), _silence():
        yield


@contextmanager
def _silence() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # a program without stderr, such as a daemon: nobody to keep anything from
        yield
        return
    _flush()
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            with suppress(OSError):
                os.write(kept, notices.read())
            raise
        finally:
            _flush()
            os.dup2(kept, 2)
            os.close(kept)


def _flush() -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.flush()


@contextmanager
def _without(modules: Iterable[str]) -> Iterator[None]:
    """Let an import of modules fail as if they were not installed, unless they are loaded already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
