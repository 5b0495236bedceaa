import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from yt8m.loader import buffers
from yt8m.loader.buffers import BufferPool, lock_pages


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_once_nobody_holds_it():
    pool = BufferPool((3, 4), np.uint8, keep=2)
    first = pool.take()
    where = address(first)
    second = pool.take()
    assert address(second) != where
    del first
    assert address(pool.take()) == where


def test_a_slice_or_a_memoryview_keeps_the_memory():
    pool = BufferPool((3, 4), np.uint8, keep=2)
    for hold in (lambda array: array[1:, :2], memoryview, lambda array: array.T.reshape(4, 3)[0]):
        array = pool.take()
        where, held = address(array), hold(array)
        del array
        assert address(pool.take()) != where
        del held


def test_more_than_it_keeps_is_made_on_demand():
    pool = BufferPool((2,), np.float32, keep=1)
    held = [pool.take() for _ in range(5)]
    assert len({address(array) for array in held}) == 5
    assert held[0].dtype == np.float32


STAND_IN = """
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
static int say(const char *what, void *address, size_t bytes) {
    FILE *file = fopen(getenv("SAID"), "a");
    fprintf(file, "%s %zu %zu\\n", what, (size_t) address, bytes);
    fclose(file);
    return getenv("REFUSES") != NULL;
}
int cudaHostRegister(void *address, size_t bytes, unsigned flags) { return say("lock", address, bytes + 0 * flags); }
int cudaHostUnregister(void *address) { return say("unlock", address, 0); }
int cudaGetLastError(void) { return 0; }
"""


PROGRAM = """
import ctypes, gc, sys
import numpy as np
from yt8m.loader.buffers import BufferPool
ctypes.CDLL(sys.argv[1])  # as an engine brings it
pool = BufferPool((30, 4), np.uint8, keep=1)
array = pool.take()
print(array.__array_interface__["data"][0])
del array, pool
gc.collect()
"""


def test_without_a_cuda_runtime_nothing_is_locked():
    assert buffers._cuda_runtime() is None
    assert not lock_pages(np.empty(9, np.uint8))


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
@pytest.mark.parametrize("refuses", [False, True])
def test_memory_is_locked_as_long_as_it_lives(tmp_path, refuses: bool) -> None:
    """By a library with the runtime's functions that only writes down how they are called: there is no card here."""
    (tmp_path / "runtime.c").write_text(STAND_IN)
    library = tmp_path / "libcudart.so.12"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "runtime.c"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(library)], capture_output=True, text=True, check=True,
        env={**os.environ, "SAID": str(tmp_path / "said"), **({"REFUSES": "1"} if refuses else {})},
    )  # fmt: skip
    where = int(done.stdout)
    said = (tmp_path / "said").read_text().splitlines()
    assert said == [f"lock {where} 120"] + ([] if refuses else [f"unlock {where} 0"])
