"""The way to Keras and its engine: no notices on stderr, no libraries unused here, and a pinned environment.

What of a user's environment could change a number is kept from Keras, TensorFlow and JAX; where it cannot be, one line
says so. The same command on the same machine gives the same bytes, whoever runs it: a `~/.keras/keras.json` that was
written for another project, or a variable in a shell's profile, decides nothing. How many threads compute does not
count: by how much it may change a result is that of another machine.
"""

import gc
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from yt8m.errors import InputError
from yt8m.progress import log

UNUSED = ("sklearn", "matplotlib.pyplot")
"""What Keras imports if it is there, for wrappers and galleries: a third of the time of its own import."""


ENGINES = ("tensorflow", "jax")
"""What Keras may run on here; the first unless something else is asked for."""
BACKEND_VARIABLE = "KERAS_BACKEND"


def engine_of_environment() -> str:
    """The engine that the environment asks for, by `KERAS_BACKEND`; the first of `ENGINES` if it says nothing.

    Raises:
        InputError: it asks for one that is none of them.
    """
    engine = os.environ.get(BACKEND_VARIABLE) or ENGINES[0]
    if engine not in ENGINES:
        raise InputError(f"{BACKEND_VARIABLE}={engine}: models are trained and used by {' or '.join(ENGINES)} here; "
                         f"set it to one of them, or unset {BACKEND_VARIABLE}")  # fmt: skip
    return engine


@contextmanager
def quiet_start(engine: str | None = None) -> Iterator[None]:
    """Import Keras inside: what is written to file descriptor 2 shows only if the import fails.

    From then on TensorFlow logs errors alone, unless TF_CPP_MIN_LOG_LEVEL says otherwise. `UNUSED` cannot be imported
    inside, and can be afterwards.

    Args:
        engine: see `pinned_environment`.

    Raises:
        InputError: see there.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with pinned_environment(engine), _without(UNUSED), _silence(), _uncollected():
        yield


IN_PROGRAM = False
"""Whether this process is a program of ours, so that what there is after its imports stays to its end."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Import Keras inside, a fifth faster: what a million new objects make of garbage is not looked for meanwhile.

    In a program nor later: collections, and that at its end above all, pass over what is there by now. Who uses the
    library has objects of his own at that moment, which must not be kept for ever.
    """
    first, was_enabled = "keras" not in sys.modules, gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if IN_PROGRAM and first and "keras" in sys.modules:
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


KERAS_HOME = "KERAS_HOME"
NOWHERE = f"{os.devnull}/keras"  # no folder can be there, so Keras finds no keras.json, and writes none
DECISIVE = (
    "CUBLAS_WORKSPACE_CONFIG", "DNNL_", "JAX_DEBUG_NANS", "JAX_DEFAULT_", "JAX_DISABLE_", "JAX_ENABLE_X64",
    "JAX_NUMPY_", "JAX_THREEFRY_PARTITIONABLE", "KERAS_MAX_", "KERAS_NNX_ENABLED", "LIBTPU_INIT_ARGS", "MKL_CBWR",
    "NVIDIA_TF32_OVERRIDE", "ONEDNN_", "TF_AUTOTUNE_THRESHOLD", "TF_AUTO_MIXED_PRECISION", "TF_CUDNN_",
    "TF_DETERMINISTIC_OPS", "TF_DISABLE_", "TF_ENABLE_", "TF_FP16_", "TF_MKL_", "TF_ONEDNN_", "TF_OVERRIDE_",
    "TF_USE_CUBLASLT", "TF_XLA_FLAGS", "XLA_FLAGS",
)  # fmt: skip
"""Beginnings of the names of variables by which the libraries choose other arithmetic."""
HARMLESS_FLAGS = (
    "--xla_dump", "--xla_force_host_platform_device_count", "--xla_gpu_cuda_data_dir", "--xla_hlo_profile"
)  # fmt: skip


@contextmanager
def pinned_environment(engine: str | None = None) -> Iterator[None]:
    """Import Keras inside: it runs on an engine, and finds none of what could change a number.

    Decisive variables are taken out of the environment, with a line that says so, and stay out, for the engines read
    some of them later; keras.json is not read.

    Args:
        engine: one of `ENGINES`; None for that of a Keras which is there already, or what the environment asks for.

    Raises:
        InputError: another engine is in force or not installed, or one has been imported with a decisive variable.
    """
    engine = _checked(engine)
    for name in sorted(os.environ):
        if name.startswith(DECISIVE):
            _take_out(name)
    pinned = {KERAS_HOME: NOWHERE, BACKEND_VARIABLE: engine}
    kept = {name: os.environ.get(name) for name in pinned}
    os.environ.update(pinned)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _checked(wanted: str | None) -> str:
    """The engine that Keras is to run on, which can be had in this process."""
    asked, keras = engine_of_environment(), sys.modules.get("keras")
    said = f"{BACKEND_VARIABLE}={asked}" if os.environ.get(BACKEND_VARIABLE) else None
    loaded = str(keras.backend.backend()) if keras else None
    engine = wanted or (asked if said else loaded or asked)
    if said and engine != asked:
        raise InputError(f"engine {engine} is asked for, and {said}; say the same in both places, or unset "
                         f"{BACKEND_VARIABLE}")  # fmt: skip
    if loaded and engine != loaded:
        raise InputError(f"{said or f'engine {engine}'}: this process computes by {loaded} already; set "
                         f"{BACKEND_VARIABLE}={engine} for the whole program")  # fmt: skip
    if engine not in sys.modules and importlib.util.find_spec(engine) is None:
        raise InputError(f"{said or f'engine {engine}'}: {engine} is not installed here; install it, or choose an "
                         f"engine that is, with {BACKEND_VARIABLE}")  # fmt: skip
    return engine


def _take_out(name: str) -> None:
    """Take a decisive variable out of the environment, but for flags that decide nothing."""
    value = os.environ[name]
    rest = [flag for flag in value.split() if flag.startswith(HARMLESS_FLAGS)] if name == "XLA_FLAGS" else []
    if " ".join(rest) == " ".join(value.split()):
        return
    if any(engine in sys.modules for engine in ENGINES):
        raise InputError(f"{name}={value}: it can change the numbers that are computed, and the libraries that do so "
                         f"have been imported with it; unset {name} and start again")  # fmt: skip
    log(f"{name}={value} is passed over: it could change the numbers that are computed")
    if rest:
        os.environ[name] = " ".join(rest)
    else:
        del os.environ[name]
