"""TensorFlow without the notices that its C++ part writes to stderr when it is imported."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow (or Keras) inside: what is written to file descriptor 2 shows only if the import fails.

    From then on TensorFlow logs errors alone, unless TF_CPP_MIN_LOG_LEVEL says otherwise.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
