"""The `yt8m` command: one subcommand a step, each in a module of `yt8m.commands`.

A command module's docstring is its help. It has `EXAMPLE`, `add_arguments(parser)`, `run(args) -> dict` (the result,
printed as JSON with `--json`) and `render(result) -> str` (the same for people). Only the module of the command that
was asked for is imported, so `yt8m index` never pays for TensorFlow.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from yt8m import __version__
from yt8m.errors import InputError, Interrupted

TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h

COMMANDS = {
    "download": "shards from the official mirror, MD5 verified",
    "index": "list the videos of shards in a table",
    "statistics": "label imbalance, labels and frames a video, as a page and JSON",
    "validate": "check data before training: ids, labels, drift",
    "rebalance": "make a training set by a recipe",
    "export": "a training set as real shards, bytes unchanged",
    "train": "train a model by a preset",
    "predict": "the most confident labels of each video",
    "evaluate": "exact GAP, MAP, Hit@1 and PERR of predictions",
    "compare": "say whether one model is better than another, or cannot be told",
    "analyze": "explain the errors of predictions in a report",
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
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        command, arguments = _parse(argv)
        result = command.run(arguments)
        text = json.dumps(result, indent=2, allow_nan=False) if arguments.json else command.render(result)
        if text:
            print(text, flush=True)
    except InputError as error:
        print(f"yt8m: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(f"yt8m: {stopped}; run the same command again", file=sys.stderr)
        return TRY_AGAIN
    except KeyboardInterrupt:
        print("yt8m: interrupted; run the same command again", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno is None:
            raise
        print(f"yt8m: error: {_problem_of(error)}", file=sys.stderr)
        return 2
    return 0


def _problem_of(error: OSError) -> str:
    """What the system refused, in one line: a full disk, a folder that may not be written, a folder for a file."""
    path = error.filename2 or error.filename
    problem = " ".join((error.strerror or str(error)).split())
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
