"""The `yt8m` command: one subcommand a step, each in a module of `yt8m.commands`; and the way in for every program.

A command module's docstring is its help. It has `EXAMPLE`, `add_arguments(parser)`, `run(args) -> dict` (the result,
printed as JSON with `--json`) and `render(result) -> str` (the same for people). Only the module of the command that
was asked for is imported, so `yt8m index` never pays for TensorFlow.

Standard output and standard error never stop the work: closed, broken, full, or of ASCII alone. A daemon or `2>&-`
starts a program without one of them, and the next file that it opens would take its number. A reader may leave in the
middle (`| head -1`), a disk be full. What cannot be said is then lost; what is made is not.
"""

import argparse
import errno
import importlib
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

from yt8m import __version__, quiet
from yt8m.errors import InputError, Interrupted, one_line

WRONG_INPUT = 2
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
INTERRUPTED = 130  # 128 and the number of SIGINT, as a shell has it

COMMANDS = {
    "download": "shards from the official mirror, MD5 verified",
    "index": "list the videos of shards in a table",
    "statistics": "label imbalance, labels and frames a video, as a page and JSON",
    "validate": "check data before training: ids, labels, drift",
    "rebalance": "make a training set by a recipe",
    "export": "a training set as real shards, bytes unchanged",
    "train": "train a model by a preset",
    "predict": "the most confident labels of each video",
    "blend": "weights of models in an average, fitted to held-out labels",
    "crossfit": "the same of a model's own training videos, each unseen",
    "evaluate": "exact GAP, MAP, Hit@1 and PERR of predictions",
    "compare": "say whether one model is better than another, or cannot be told",
    "analyze": "explain the errors of predictions in a report",
    "rerank": "a second look at the most confident labels of each video",
    "submission": "write predictions in the challenge's format",
    "promote": "make a model the champion, or say why not",
    "models": "the architectures, their sizes and costs",
    "reproduce": "the paper's tables and figures beside ours",
    "simulate": "frame-level records of real video-level records",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 for wrong input, 75 for work to be continued (EX_TEMPFAIL)."""
    begin("yt8m")
    words = list(sys.argv[1:] if argv is None else argv)

    def work() -> int:
        command, arguments = _parse(words)
        from yt8m.commands._files import files_of

        begun()
        with files_of(words[0], arguments):
            result = command.run(arguments)
        text = json.dumps(result, indent=2, allow_nan=False) if arguments.json else command.render(result)
        if text:
            print(text)
        return 0

    return enter("yt8m", work, lambda: "run the same command again")


class _Leaving:
    """What Ctrl-C does before a program has begun: it ends at once, with one line."""

    def __init__(self, program: str):
        self.program = program

    def __call__(self, _number: int, _frame: Any) -> None:
        os.write(2, f"{self.program}: interrupted before it began; nothing was done\n".encode())
        os._exit(INTERRUPTED)


def begin(program: str) -> None:
    """Mend the streams; until `begun`, while modules are imported and options read, Ctrl-C leaves at once."""
    mend_streams()
    quiet.IN_PROGRAM = True
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # one that ignores it (nohup) stays
        signal.signal(signal.SIGINT, _Leaving(program))


def begun() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt."""
    if isinstance(signal.getsignal(signal.SIGINT), _Leaving):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def enter(program: str, work: Callable[[], int], how_to_go_on: Callable[[], str]) -> int:
    """Do the work of a program, and turn whatever ends it into an exit code and a line on stderr.

    Args:
        program: its name.
        work: returns the exit code.
        how_to_go_on: what to do after Ctrl-C; empty for nothing to say.
    """
    try:
        code = work()
    except InputError as error:
        code = _say(f"{program}: error: {one_line(error)}", WRONG_INPUT)
    except Interrupted as stopped:
        code = _say(f"{program}: {stopped}; run the same command again", TRY_AGAIN)
    except KeyboardInterrupt:
        how = how_to_go_on()
        return _say(f"{program}: interrupted{f'; {how}' if how else ''}", INTERRUPTED)
    except MemoryError as error:
        what = one_line(error) or "more was asked for than there is"
        code = _say(f"{program}: error: out of memory ({what}); ask for less at a time, such as a smaller batch size",
                    WRONG_INPUT)  # fmt: skip
    except OSError as error:
        if error.errno is None:
            raise
        code = _say(f"{program}: error: {_problem_of(error)}", WRONG_INPUT)
    finally:
        begun()
    lost = problem_of_stdout()
    if lost is not None:
        return _say(f"{program}: error: standard output: {_problem_of(lost)}", code or WRONG_INPUT)
    return code


def _say(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _problem_of(error: OSError) -> str:
    """What the system refused, in one line: a full disk, a folder that may not be written, a folder for a file."""
    path = error.filename2 or error.filename
    problem = one_line(error.strerror or error)
    place = f"{path}: {problem}" if path else problem
    return f"{place}; check the path, its permissions and the space on its disk"


def _parse(argv: list[str]) -> tuple[Any, argparse.Namespace]:
    listing = "\n".join(f"  {name:<12} {summary}" for name, summary in COMMANDS.items())
    parser = Parser(
        prog="yt8m",
        usage="yt8m COMMAND ...",
        description="Video taggers at YouTube-8M scale: one command a step.",
        epilog=f"commands:\n{listing}\n\n`yt8m COMMAND --help` shows its options and an example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"yt8m {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    name = argv[0] if argv else None
    if name is None:
        parser.parse_args(["--help"])
    if name not in COMMANDS:
        parser.parse_args(argv[:1])  # --help and --version end here
        raise InputError(f"there is no command '{name}'; `yt8m --help` lists them")
    command = importlib.import_module(f"yt8m.commands.{name}")
    return command, _command_parser(name, command).parse_args(argv[1:])


def _command_parser(name: str, command: Any) -> Parser:
    parser = Parser(
        prog=f"yt8m {name}",
        description=command.__doc__,
        epilog=f"example:\n  {command.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    return parser


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
