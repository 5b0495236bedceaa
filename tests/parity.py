"""How far our models are from the reference implementations: `python tests/parity.py FILE.npz ...`.

A golden file holds a model's configuration (`meta`), inputs, and what the reference computed from them: predictions,
losses, norms of gradients, variables after one step. For each file our model gets the same weights and one line says

    FILE eval=... train=... loss=... grad=... step=...

eval, train: largest absolute error of the predictions; loss: largest relative error of the losses; grad: largest
relative error of the gradients' norms, where a norm below 1e-4 of the file's largest only has to stay below 1e-3 of it;
step: share of the elements further than 1e-4 from the variables after one clipped Adam step. A `-` stands where the
file holds nothing to compare with.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if __name__ == "__main__":  # not when tests import this: the environment of their process is that of the other tests
    # Batch norm over two videos, as in some files, turns the last bit of a sum into the fourth digit of a gradient;
    # oneDNN adds in another order than the kernels that made the files.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
from golden_models import Case, load

from yt8m.models import losses

EPSILON = {"willow": 1e-5, "nextvlad": 1e-8}  # inside the logarithms of each reference's cross-entropy


def training_pass(case: Case) -> tuple[np.ndarray, dict[str, float], dict[str, np.ndarray]]:
    """Predictions with batch statistics, the losses, and the gradients of the final loss by name."""
    labels = case.file["in/labels"].astype(np.float32)
    with tf.GradientTape() as tape:
        predictions = case.model(case.inputs, training=True)
        cross_entropy = losses.create("cross_entropy", epsilon=EPSILON[case.meta["anchor"]])(labels, predictions)
        regularization = sum(case.model.losses, start=tf.zeros([]))
        final = cross_entropy + regularization
    values = {
        "loss_xent": cross_entropy,
        "loss_huber_xent": losses.create("huber")(labels, predictions),
        "reg_loss": regularization,
        "final_loss": final,
    }
    gradients = tape.gradient(final, [case.variables[name].value for name in case.trainable])
    named = dict(zip(case.trainable, gradients, strict=True))
    return predictions.numpy(), {name: float(value) for name, value in values.items()}, named


def optimizer(case: Case) -> keras.optimizers.Optimizer:
    """Adam as the references use it, each variable's gradient clipped to a norm of one."""
    return keras.optimizers.Adam(case.lr, epsilon=1e-8, clipnorm=1.0)


def apply_gradients(case: Case, gradients: dict[str, Any]) -> None:
    """One optimizer step."""
    variables = [case.variables[name] for name in gradients]
    shaped = [tf.reshape(gradients[name], case.variables[name].shape) for name in gradients]
    optimizer(case).apply(shaped, variables)


def gradient_error(case: Case, gradients: dict[str, Any]) -> float | None:
    """Largest relative error of the norms; negligible ones count only when they are not negligible here."""
    golden = _golden_norms(case, gradients)
    if not golden:
        return None
    largest, worst = max(golden.values()), 0.0
    for name in golden:
        norm = _norm(np.asarray(gradients[name]).ravel())
        if golden[name] < 1e-4 * largest:
            worst = max(worst, 0.0 if norm < 1e-3 * largest else norm / largest)
        else:
            worst = max(worst, abs(norm / golden[name] - 1))
    return worst


def _golden_norms(case: Case, names: Iterable[str]) -> dict[str, float]:
    """The stored norms, or those of the stored gradients; without variables that have neither."""
    norms = {}
    for name in names:
        if f"gradnorm/{name}" in case.file:
            norms[name] = float(case.file[f"gradnorm/{name}"])
        elif f"grad/{name}" in case.file:
            norms[name] = _norm(case.file[f"grad/{name}"].ravel())
    return norms


def step_distances(case: Case) -> np.ndarray:
    """Distance of each element from the stored variables after the step; empty where none is stored."""
    stored = [name for name in case.variables if f"after1/{name}" in case.file]
    parts = [np.abs(np.asarray(case.variables[name]).ravel() - case.file[f"after1/{name}"].ravel()) for name in stored]
    return np.concatenate(parts) if parts else np.empty(0)


def measure(path: Path) -> dict[str, float | None]:
    """The errors of one golden file, by name."""
    case = load(path)
    evaluation = case.model(case.inputs, training=False).numpy()
    predictions, values, gradients = training_pass(case)
    if any(f"after1/{name}" in case.file for name in case.trainable):
        apply_gradients(case, gradients)
    distances = step_distances(case)
    stored = {name: value for name, value in values.items() if f"train/{name}" in case.file}
    errors = [_relative(value, float(case.file[f"train/{name}"])) for name, value in stored.items()]
    return {
        "eval": float(np.abs(evaluation - case.file["eval/predictions"]).max()),
        "train": float(np.abs(predictions - case.file["train/predictions"]).max()),
        "loss": max(errors, default=None),
        "grad": gradient_error(case, gradients),
        "step": float((distances > 1e-4).mean()) if distances.size else None,
    }


def _norm(x: np.ndarray, piece: int = 1 << 20) -> float:
    """Norm of a vector, summed in float64 a piece at a time."""
    return float(np.sqrt(sum(np.sum(np.square(x[i : i + piece], dtype=np.float64)) for i in range(0, len(x), piece))))


def _relative(value: float, golden: float) -> float:
    return abs(value - golden) / abs(golden) if golden else abs(value)


def main() -> int:
    """Print one line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.npz")
    for path in parser.parse_args().files:
        errors = measure(path)
        text = " ".join(f"{name}={'-' if value is None else format(value, '.3g')}" for name, value in errors.items())
        print(path, text, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
