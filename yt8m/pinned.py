"""What of a user's environment could change a number, kept from Keras and TensorFlow; one line where it cannot be.

The same command on the same machine gives the same bytes, whoever runs it: a `~/.keras/keras.json` that was written for
another project, or a variable in a shell's profile, decides nothing. How many threads compute does not count: by how
much it may change a result is that of another machine.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from yt8m.errors import InputError
from yt8m.progress import log

BACKEND, BACKEND_VARIABLE = "tensorflow", "KERAS_BACKEND"
KERAS_HOME = "KERAS_HOME"
NOWHERE = f"{os.devnull}/keras"  # no folder can be there, so Keras finds no keras.json, and writes none
DECISIVE = (
    "CUBLAS_WORKSPACE_CONFIG", "DNNL_", "KERAS_MAX_", "KERAS_NNX_ENABLED", "MKL_CBWR", "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_", "TF_AUTOTUNE_THRESHOLD", "TF_AUTO_MIXED_PRECISION", "TF_CUDNN_", "TF_DETERMINISTIC_OPS", "TF_DISABLE_",
    "TF_ENABLE_", "TF_FP16_", "TF_MKL_", "TF_ONEDNN_", "TF_OVERRIDE_", "TF_USE_CUBLASLT", "TF_XLA_FLAGS", "XLA_FLAGS",
)  # fmt: skip
"""Beginnings of the names of variables by which the libraries choose other arithmetic."""
HARMLESS_FLAGS = ("--xla_dump", "--xla_gpu_cuda_data_dir", "--xla_hlo_profile")


@contextmanager
def pinned_environment(*, any_backend: bool = False) -> Iterator[None]:
    """Import Keras and TensorFlow inside: they find none of what could change a number.

    Decisive variables are taken out of the environment, with a line that says so, and stay out, for TensorFlow reads
    some of them later; keras.json is not read.

    Args:
        any_backend: leave the choice of Keras' backend to the environment, to compare backends.

    Raises:
        InputError: another backend is asked for, or TensorFlow has been imported with a decisive variable.
    """
    backend = os.environ.get(BACKEND_VARIABLE) or BACKEND
    if backend != BACKEND and not any_backend:
        raise InputError(f"{BACKEND_VARIABLE}={backend}: models are trained and used by TensorFlow here, and another "
                         f"backend would give other numbers; unset {BACKEND_VARIABLE}")  # fmt: skip
    for name in sorted(os.environ):
        if name.startswith(DECISIVE):
            _take_out(name)
    kept = os.environ.get(KERAS_HOME)
    os.environ[KERAS_HOME] = NOWHERE
    try:
        yield
    finally:
        del os.environ[KERAS_HOME]
        if kept is not None:
            os.environ[KERAS_HOME] = kept


def _take_out(name: str) -> None:
    """Take a decisive variable out of the environment, but for flags that decide nothing."""
    value = os.environ[name]
    rest = [flag for flag in value.split() if flag.startswith(HARMLESS_FLAGS)] if name == "XLA_FLAGS" else []
    if " ".join(rest) == " ".join(value.split()):
        return
    if "tensorflow" in sys.modules:
        raise InputError(f"{name}={value}: it can change the numbers that TensorFlow computes, and TensorFlow has been "
                         f"imported with it; unset {name} and start again")  # fmt: skip
    log(f"{name}={value} is passed over: it could change the numbers that TensorFlow computes")
    if rest:
        os.environ[name] = " ".join(rest)
    else:
        del os.environ[name]
