"""`python -m yt8m.with_parent COMMAND ...` is the `yt8m` command for a program that gives it a pipe as stdin and keeps
the other end: when that program is gone, however it ended, the command ends too.
"""

import os
import signal
import sys
import threading
import time

GRACE_SECONDS = 30.0  # from SIGTERM, at which a training keeps what it has learned, to the end


def end_with_stdin() -> None:
    """Wait, in a thread, for stdin to close; then ask this process to end, and end it."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with_stdin()
    from yt8m.cli import main

    sys.exit(main())
