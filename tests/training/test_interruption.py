"""Signals that ask a training to stop."""

import os
import signal
import subprocess
import sys
import time

import pytest

from yt8m.errors import Interrupted
from yt8m.training.interruption import Interruption

ASKED = """
import sys, time
from yt8m.training.interruption import Interruption
with Interruption() as interruption:
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
        if "check" in sys.argv:
            interruption.check()
"""


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C"), (signal.SIGHUP, "SIGHUP")]
)
def test_a_signal_is_a_flag_and_the_handlers_come_back(
    number: signal.Signals, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        with pytest.raises(Interrupted, match=f"^the training was stopped by {name}$"):
            interruption.check()
    assert signal.getsignal(number) == before
    assert ("Ctrl-C again ends at once" in capfd.readouterr().err) == (number == signal.SIGINT)


def test_what_is_ignored_stays_ignored() -> None:
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            interruption.check()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, kept)


def test_a_second_ctrl_c_ends_at_once() -> None:
    process = subprocess.Popen([sys.executable, "-c", ASKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    assert process.poll() is None  # nobody has looked yet
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert error.splitlines() == [
        "",
        "yt8m: stopping after this step, with a checkpoint; Ctrl-C again ends at once, without one",
    ]
