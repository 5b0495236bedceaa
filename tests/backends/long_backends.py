"""The models, losses, a training step and predictions agree between Keras' backends to 1e-4."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def outputs(file: Path, backend: str) -> dict[str, np.ndarray]:
    """What `outputs.py` writes into a file under a backend."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(ROOT / "tests" / "backends" / "outputs.py"), str(file)], env=environment,
                   cwd=ROOT, check=True)  # fmt: skip
    return dict(np.load(file))


def test_both_backends_agree(tmp_path: Path) -> None:
    ours, theirs = (outputs(tmp_path / f"{backend}.npz", backend) for backend in ("jax", "tensorflow"))
    assert (str(ours.pop("backend")), str(theirs.pop("backend"))) == ("jax", "tensorflow")
    assert ours.keys() == theirs.keys()
    for key, values in theirs.items():
        assert np.isfinite(values).all(), key
        np.testing.assert_allclose(ours[key], values, rtol=1e-4, atol=1e-4, err_msg=key)
