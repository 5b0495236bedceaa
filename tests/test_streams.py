"""Both programs where stdout or stderr is closed, full, left by its reader or of ASCII alone, and on Ctrl-C."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pipeline
from targets import compilation
from yt8m import cli, progress, quiet
from yt8m.commands import index

ROOT = Path(__file__).parents[1]
INDEX = ["-m", "yt8m", "index", str(ROOT / "sample" / "test"), "-o"]


def by_shell(words: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the arguments and a shell's redirections."""
    script = f'"$@" {words}'
    return subprocess.run(["bash", "-o", "pipefail", "-c", script, "bash", sys.executable, *arguments], cwd=ROOT,
                          capture_output=True, text=True, timeout=60, env={**os.environ, **environment})  # fmt: skip


@pytest.mark.parametrize(
    "words", ["2>&-", ">&-", "<&- >&- 2>&-", "2>/dev/full", "| true", "2> >(true) | true"], ids=lambda words: words
)
def test_what_cannot_be_said_keeps_nothing_from_being_made(tmp_path: Path, words: str) -> None:
    done = by_shell(words, *INDEX, str(tmp_path / "i.parquet"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "i.parquet").stat().st_size > 1000


def test_a_result_that_is_lost_is_told_after_it_is_made(tmp_path: Path) -> None:
    done = by_shell(">/dev/full", *INDEX, str(tmp_path / "i.parquet"))
    assert done.returncode == 2
    assert done.stderr.startswith("yt8m: error: standard output: No space left on device")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "i.parquet").exists()


def test_an_ascii_stdout_gets_escapes(tmp_path: Path) -> None:
    where = tmp_path / "für"
    done = by_shell("", "-c", f"from yt8m import cli; cli.begin('p'); print({str(where)!r}, flush=True)",
                    PYTHONIOENCODING="ascii")  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/f\\xfcr\n")


def test_the_pipeline_s_program_comes_in_the_same_way(tmp_path: Path) -> None:
    done = by_shell("2>&- | true", "pipeline.py", "compile", "-o", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("path", ["pipeline.py", "-m yt8m train a -o b --validation c --preset logistic"])
def test_ctrl_c_while_it_imports_is_one_line(tmp_path: Path, path: str) -> None:
    slow = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(20)"
    (tmp_path / "kfp.py").write_text(slow)
    (tmp_path / "numpy.py").write_text(slow)
    command = [sys.executable, *path.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert done.returncode == 130
    name = "pipeline.py" if path == "pipeline.py" else "yt8m"
    assert done.stderr == f"{name}: interrupted before it began; nothing was done\n"


def test_ctrl_c_is_an_interrupt_again_once_a_command_has_begun() -> None:
    cli.begin("yt8m")
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    cli.begun()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b"\xff\xfe\x00 profiles"), "settings.yaml: not a YAML file"),
        (lambda path: path.mkdir(), "settings.yaml: not a file"),
        (lambda path: path.write_text("- 1"), "a mapping is needed"),
    ],
)
def test_settings_that_cannot_be_read_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any, says: str
) -> None:
    make(tmp_path / "settings.yaml")
    assert pipeline.main(["compile", "--settings", str(tmp_path / "settings.yaml"), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("pipeline.py: error: ")
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EEXIST, errno.EROFS])
def test_what_the_system_refuses_is_one_line_of_either_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "/mnt/out")

    monkeypatch.setattr(compilation, "load_profile", refused)
    monkeypatch.setattr(index, "build_index", refused)
    assert pipeline.main(["compile"]) == cli.main(["index", "x", "-o", "y"]) == 2
    assert [line.split(";")[0] for line in capsys.readouterr().err.splitlines()] == [
        f"{program}: error: /mnt/out: {os.strerror(number)}" for program in ("pipeline.py", "yt8m")
    ]


def test_the_library_works_in_a_program_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    def no_stderr(_number: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(quiet.os, "dup", no_stderr)
    progress.log("a line for nobody")
    with quiet.quiet_start(), progress.Progress("working", first_line=0.0) as work:
        work.advance()
