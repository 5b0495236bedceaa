"""TensorFlow without the notices that its C++ part writes to stderr when it is imported."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow (or Keras) inside: what is written to file descriptor 2 shows only if the import fails.

    From then on TensorFlow logs errors alone, unless TF_CPP_MIN_LOG_LEVEL says otherwise.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
