"""What the tests of models share: a batch of videos, small settings of every model, the golden files."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

CLASSES = 12
SMALL: dict[str, dict[str, Any]] = {
    "logistic": {},
    "moe": {"gate_rank": 3, "probability_gating": True},
    "mlp": {"hidden": 8, "head": "label-embedding"},
    "dbof": {"clusters": 32, "hidden": 8, "max_pooling": True},
    "netvlad": {"clusters": 4, "hidden": 8, "probability_gating": True, "dropout": 0.1},
    "netfv": {"clusters": 4, "hidden": 8, "coupling": None, "relu": True, "head": "logistic"},
    "nextvlad": {"clusters": 4, "hidden": 16, "expansion": 1, "groups": 4},
    "nextvlad-mixture": {"clusters": 4, "hidden": 16, "expansion": 1, "groups": 4, "branches": 2},
}


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden files."""
    return Path(__file__).parents[1] / "golden"


@pytest.fixture
def videos() -> dict[str, np.ndarray]:
    """Six videos of up to nine frames, uint8, zero where they have no frame."""
    random = np.random.RandomState(0)
    num_frames = np.array([9, 4, 1, 7, 9, 2], np.int32)
    real = np.arange(9) < num_frames[:, None]
    draw = {name: random.randint(0, 256, (6, 9, size)) for name, size in (("rgb", 1024), ("audio", 128))}
    streams = {name: (values * real[..., None]).astype(np.uint8) for name, values in draw.items()}
    return {**streams, "num_frames": num_frames}


@pytest.fixture
def labels() -> np.ndarray:
    """Multi-hot labels of six videos."""
    return (np.random.RandomState(1).rand(6, CLASSES) < 0.3).astype(np.uint8)


@pytest.fixture
def small() -> dict[str, dict[str, Any]]:
    """Settings of every model that make it small."""
    return SMALL
