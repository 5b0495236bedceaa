import signal
import subprocess
import sys
from pathlib import Path

import pytest

from yt8m.errors import Interrupted
from yt8m.paper.subprocess_train import CommandFailed, command


def test_a_command_that_fails_says_how_and_why() -> None:
    with pytest.raises(CommandFailed, match=r"yt8m evaluate ended with exit code 2: yt8m: error: nowhere.parquet: no"):
        command("evaluate", "nowhere.parquet", "-o", "nowhere")


@pytest.mark.parametrize(
    ("does", "error", "says"),
    [
        ("kill -KILL $$", CommandFailed, r"signal 9 \(killed, as when memory does not suffice\)"),
        ("echo out of memory >&2; exit 1", CommandFailed, "exit code 1: out of memory"),
        ("exit 75", Interrupted, "was stopped by SIGTERM"),
    ],
)
def test_a_process_that_is_killed_or_stopped_is_told_apart(
    does: str, error: type[Exception], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(error, match=says):
        command("train", "set.parquet")


def test_a_stop_is_handed_on_to_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\ntrap 'exit 75' TERM\nkill -TERM $PPID\nwhile :; do sleep 0.05; done\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(Interrupted):
        command("train", "set.parquet")


def test_a_command_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    code = "from yt8m.with_parent import end_with_stdin; import time; end_with_stdin(); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    assert process.stdin
    process.stdin.close()
    assert process.wait(20) == -signal.SIGTERM
