"""The way to Keras and TensorFlow: no notices on stderr, no libraries unused here, and a pinned environment.

What of a user's environment could change a number is kept from Keras and TensorFlow; where it cannot be, one line says
so. The same command on the same machine gives the same bytes, whoever runs it: a `~/.keras/keras.json` that was written
for another project, or a variable in a shell's profile, decides nothing. How many threads compute does not count: by
how much it may change a result is that of another machine.
"""

import gc
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from yt8m.errors import InputError
from yt8m.progress import log

UNUSED = ("sklearn", "matplotlib.pyplot")
"""What Keras imports if it is there, for wrappers and galleries: a third of the time of its own import."""


@contextmanager
def quiet_start(*, any_backend: bool = False) -> Iterator[None]:
    """Import TensorFlow (or Keras) inside: what is written to file descriptor 2 shows only if the import fails.

    From then on TensorFlow logs errors alone, unless TF_CPP_MIN_LOG_LEVEL says otherwise. `UNUSED` cannot be imported
    inside, and can be afterwards.

    Args:
        any_backend: see `pinned_environment`.

    Raises:
        InputError: see there.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with pinned_environment(any_backend=any_backend), _without(UNUSED), _silence(), _uncollected():
        yield


@contextmanager
def _uncollected() -> Iterator[None]:
    """Import TensorFlow inside, a fifth faster: what a million new objects make of garbage is not looked for meanwhile.

    Nor later: nearly all of them stay to the end, and collections pass them over from then on.
    """
    first, was_enabled = "tensorflow" not in sys.modules, gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if first and "tensorflow" in sys.modules:
            gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def _silence() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # a program without stderr, such as a daemon: nobody to keep anything from
        yield
        return
    _flush()
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            with suppress(OSError):
                os.write(kept, notices.read())
            raise
        finally:
            _flush()
            os.dup2(kept, 2)
            os.close(kept)


def _flush() -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.flush()


@contextmanager
def _without(modules: Iterable[str]) -> Iterator[None]:
    """Let an import of modules fail as if they were not installed, unless they are loaded already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


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
