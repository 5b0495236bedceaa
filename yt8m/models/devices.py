"""The devices that a program computes on: whether they are those that were asked for, and what models leave there."""

import itertools
import os
import re
import subprocess
import sys

import keras

from yt8m.errors import InputError

GPUS = "YT8M_GPUS"
"""The variable by which a step that is given GPUs says how many; without it the CPU will do."""

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX"}
ASKING = {
    "tensorflow": """
import tensorflow as tf
if not tf.sysconfig.get_build_info().get("is_cuda_build"):
    print("this TensorFlow is built for CPUs alone")
tf.config.list_logical_devices("GPU")
""",
    "jax": """
import jax
try:
    jax.devices("gpu")
except RuntimeError as error:
    print(error)
""",
}
PREFIX = re.compile(r"^.*?\w+\.cc:\d+\] ")
ABOUT_GPUS = re.compile(r"gpu|cuda|nvidia|cudnn|libcu", re.IGNORECASE)
SAID = 3  # lines that are handed on
EVERY = 4  # uses between two collections, which take some tenths of a second
_calls = itertools.count(1)


def check_devices() -> str:
    """What is computed on, in words: `2 GPUs`, or `the CPU`.

    Raises:
        InputError: `YT8M_GPUS` asks for GPUs, and so many cannot be used here; with what Keras' backend says of it.
    """
    text = os.environ.get(GPUS, "").strip() or "0"
    if not text.isdecimal():
        raise InputError(f"{GPUS}={text}: a number of GPUs is needed, such as 1; 0 for none")
    wanted, problem, found = int(text), "", 0
    try:
        found = sum(name.startswith("gpu") for name in keras.distribution.list_devices())
        if found and wanted:
            with keras.device("gpu:0"):
                keras.ops.convert_to_numpy(keras.ops.matmul(keras.ops.ones((8, 8)), keras.ops.ones((8, 8))))
    except Exception as error:  # of whatever kind the backend and the driver raise
        problem = " ".join(str(error).split())[:300] or type(error).__name__
        if not wanted:
            raise
    if problem or found < wanted:
        engine = NAMES[keras.backend.backend()]
        raise InputError(f"{GPUS}={wanted} asks for {_count(wanted)}, and {engine} can use {0 if problem else found} "
                         f"here: {problem or why_no_gpu()}; give the step a machine with a GPU, its driver and a "
                         f"{engine} for GPUs, or unset {GPUS} to compute on the CPU")  # fmt: skip
    return _count(found) if found else f"the CPU ({os.cpu_count()} cores); no GPU is visible"


def why_no_gpu() -> str:
    """What Keras' backend says of the GPUs, by a process in which nothing mutes it."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run(
        [sys.executable, "-c", ASKING[keras.backend.backend()]], capture_output=True, text=True, env=environment
    )
    lines = [PREFIX.sub("", line).strip() for line in done.stderr.splitlines() if ABOUT_GPUS.search(line)]
    said = list(dict.fromkeys([*done.stdout.split("\n"), *lines]))
    return " / ".join([line for line in said if line][:SAID]) or "it says no reason"


def _count(gpus: int) -> str:
    return f"{gpus} GPU{'s' if gpus > 1 else ''}"


def release_memory() -> None:
    """Give back what models leave that are not used any more; called after each use, it acts every fourth time.

    TensorFlow keeps a kernel for each compiled function that was ever called, and Keras' models, being cycles, wait
    for a collection. A process that predicts or trains again and again would grow by 3 MB a prediction and 80 MB a
    training. Models that are still in use stay.
    """
    if next(_calls) % EVERY == 0:
        keras.backend.clear_session()
