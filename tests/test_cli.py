"""The command line: help, one-line errors, exit codes."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from yt8m import cli

SAMPLE = Path(__file__).parents[1] / "sample"


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_each_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    command = importlib.import_module(f"yt8m.commands.{name}")
    assert f"example:\n  yt8m {name}" in printed
    assert command.EXAMPLE.strip().startswith(f"yt8m {name}")
    assert "--json" in printed


@pytest.mark.parametrize("argv", [["--help"], []])
def test_help_lists_the_commands(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["indx"], "there is no command 'indx'"),
        (["index"], "required"),
        (["index", "--no-such-option", "x", "-o", "y"], "see `yt8m index --help`"),
        (["evaluate", "missing.parquet", "-o", "out"], "missing.parquet: no such file"),
        (["index", "x", "-o", "y", "--threads", "0"], "--threads: give a whole number of at least 1, not 0"),
        (["index", str(SAMPLE / "test"), "-o", str(SAMPLE)], "sample: Is a directory; check the path"),
        (["index", str(SAMPLE / "test"), "-o", f"{__file__}/i.parquet"], "test_cli.py: File exists; check the path"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("yt8m: error: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "yt8m", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("yt8m ")


def test_the_data_commands_start_without_tensorflow_or_keras() -> None:
    light = [name for name in cli.COMMANDS if name not in {"train", "predict", "models"}]
    code = (
        "import importlib, sys\n"
        f"for name in {light!r}: importlib.import_module('yt8m.commands.' + name)\n"
        "print([name for name in ('keras', 'tensorflow', 'kfp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
