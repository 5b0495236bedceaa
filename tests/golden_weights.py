"""Weights that follow from a variable's name, for golden files too large to hold theirs."""

import math
import zlib
from collections.abc import Sequence

import numpy as np

DIMENSIONS = 1152
PIECE = 1 << 20


def weight(name: str, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """The float32 value of a variable of a golden file.

    Args:
        name: the reference's name of it.
        shape: its shape.
        seed: the file's seed.
    """
    random = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    leaf = name.rpartition("/")[2]
    if leaf == "moving_variance":
        value = 0.5 + random.random_sample(shape)
        return (value / (DIMENSIONS if "input_bn" in name else 1)).astype(np.float32)
    normal = _normal(random, shape)
    if leaf == "moving_mean":
        return (normal * (0.3 / np.sqrt(DIMENSIONS) if "input_bn" in name else 0.1)).astype(np.float32)
    if leaf == "gamma":
        return (1 + 0.1 * normal).astype(np.float32)
    if leaf in ("beta", "biases", "hidden1_biases"):
        return (0.1 * normal).astype(np.float32)
    if leaf == "covar_weights":
        return (1 + normal / np.sqrt(shape[0])).astype(np.float32)
    value = normal.astype(np.float32, copy=False)
    value /= np.float32(np.sqrt(_fan_in(leaf, shape)))
    return value


def _normal(random: np.random.RandomState, shape: Sequence[int]) -> np.ndarray:
    """Standard normal numbers; large arrays are float32 and made a piece at a time, for the memory's sake."""
    size = math.prod(shape)
    if size <= PIECE:
        return random.standard_normal(shape)
    value = np.empty(size, np.float32)
    for start in range(0, size, PIECE):
        part = value[start : start + PIECE]
        part[:] = random.standard_normal(len(part))
    return value.reshape(shape)


def _fan_in(leaf: str, shape: Sequence[int]) -> int:
    if leaf == "hidden1_weights":  # its inputs have unit norm
        return max(1, shape[0] // 1024)
    return shape[-2] if len(shape) >= 2 else 1
