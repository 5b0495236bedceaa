"""What native code writes while TensorFlow starts is kept back, unless the start fails."""

import subprocess
import sys

import pytest

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
