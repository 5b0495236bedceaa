"""Standard output and standard error that never stop the work: closed, broken, full, or of ASCII alone.

A daemon or `2>&-` starts a program without one of them, and the next file that it opens would take its number. A reader
may leave in the middle (`| head -1`), a disk be full. What cannot be said is then lost; what is made is not.
"""

import errno
import io
import os
import sys
from typing import Any, TextIO

FIRST_THREE = (0, 1, 2)
SPEAKING = {"stdout": 1, "stderr": 2}


class _Lasting(io.FileIO):
    """A file descriptor that takes whatever it is given.

    Attributes:
        problem: the first error that it met.
    """

    def __init__(self, number: int):
        super().__init__(number, "w", closefd=False)
        self.problem: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            self.problem = self.problem or error
            return memoryview(data).nbytes


def mend_streams() -> None:
    """Give the program its three streams, and a stdout and stderr that last; streams put in their place stay."""
    for number in FIRST_THREE:
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  (for as long as the program runs)
    for name, number in SPEAKING.items():
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and not isinstance(_raw(stream), _Lasting):
            setattr(sys, name, _lasting(stream, number))


def problem_of_stdout() -> OSError | None:
    """Why something that was printed is lost, after a last try; None if nothing is, or a reader has left."""
    raw = _raw(sys.stdout)
    if not isinstance(raw, _Lasting):
        return None
    sys.stdout.flush()
    return None if raw.problem is None or raw.problem.errno == errno.EPIPE else raw.problem


def _lasting(stream: TextIO | None, number: int) -> TextIO:
    """The same stream, of which no character is refused: what its encoding lacks is written as an escape."""
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Lasting(number)),
        encoding=stream.encoding if stream is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=number == SPEAKING["stderr"] or bool(getattr(stream, "line_buffering", False)),
        write_through=bool(getattr(stream, "write_through", False)),
    )


def _raw(stream: TextIO | None) -> Any:
    return getattr(getattr(stream, "buffer", None), "raw", None)
