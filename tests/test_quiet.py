"""What native code writes while TensorFlow starts is kept back, unless the start fails; and nothing else is loaded."""

import importlib
import subprocess
import sys

import pytest

from tests.forks import Forks
from yt8m.quiet import UNUSED, quiet_start

CODE = """
import os
from yt8m.quiet import quiet_start
try:
    with quiet_start():
        os.write(2, b"a notice of native code\\n")
        {body}
except RuntimeError:
    pass
os.write(2, b"after\\n")
"""


@pytest.mark.parametrize(
    ("body", "stderr"), [("pass", "after\n"), ("raise RuntimeError", "a notice of native code\nafter\n")]
)
def test_notices_show_only_when_the_start_fails(body: str, stderr: str) -> None:
    done = subprocess.run([sys.executable, "-c", CODE.format(body=body)], capture_output=True, text=True, check=True)
    assert done.stderr == stderr


def import_what_was_left_out(_: list[str]) -> None:
    """In a process that has loaded Keras quietly."""
    assert "keras" in sys.modules
    assert not set(UNUSED) & sys.modules.keys()
    for name in UNUSED:
        importlib.import_module(name)


def test_keras_is_loaded_without_what_nothing_here_uses(forks: Forks) -> None:
    forks.run([], "tests.test_quiet:import_what_was_left_out")


def test_what_was_loaded_stays() -> None:
    import sklearn

    with quiet_start():
        import sklearn.metrics
    assert sys.modules["sklearn"] is sklearn
