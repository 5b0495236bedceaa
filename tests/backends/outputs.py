"""What every model and loss gives on the Keras backend in force, on the same inputs and weights, as one .npz file.

`long_backends.py` runs it under each backend and holds them side by side.
Dropout is off, because every backend draws other random numbers. Beside that, `yt8m predict` with an ensemble of models
whose weights lie in float32 and in float16.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from yt8m.data.records.build import build_index
from yt8m.data.records.video_index import read_index, write_index
from yt8m.prediction.table import read_predictions
from yt8m.quiet import quiet_start
from yt8m.registry.manifest import MANIFEST, WEIGHTS, describe_weights, model_fingerprint

with quiet_start():
    import keras

    from yt8m import models
    from yt8m.models import losses
    from yt8m.models.float16 import round_to_float16
    from yt8m.prediction.predict import predict
    from yt8m.training import schedules
    from yt8m.training.export import write_weights

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it advises against building a step for each model

SHARD = Path(__file__).parents[2] / "sample" / "validate" / "validate0050.tfrecord"
CLASSES, BATCH, FRAMES = 30, 6, 9
SMALL: dict[str, dict[str, Any]] = {
    "logistic": {},
    "moe": {"gate_rank": 4, "probability_gating": True},
    "mlp": {"hidden": 16, "dropout": 0.0, "input_dropout": 0.0},
    "dbof": {"clusters": 16, "hidden": 12},
    "netvlad": {"clusters": 4, "hidden": 12},
    "netfv": {"clusters": 4, "hidden": 12},
    "nextvlad": {"clusters": 8, "hidden": 16, "groups": 4, "dropout": 0.0},
    "nextvlad-mixture": {"clusters": 8, "hidden": 16, "groups": 4, "dropout": 0.0, "branches": 2},
}
ABOUT_ONE = ("gamma", "moving_variance", "covariance")
LOSSES: dict[str, dict[str, Any]] = {
    "cross_entropy": {},
    "huber": {},
    "hinge": {},
    "distillation": {},
    "focal": {},
    "asymmetric": {},
    "logit_adjustment": {"label_rates": [0.01 + 0.01 * number for number in range(CLASSES)]},
}


def inputs(level: str) -> dict[str, np.ndarray]:
    """Frames of both streams: uint8 at the frame level, float32 means at the video level."""
    random = np.random.default_rng(1)
    frames = FRAMES if level == "frame" else 1
    num_frames = random.integers(1, frames + 1, BATCH).astype(np.int32)
    streams = {}
    for name, width in (("rgb", 1024), ("audio", 128)):
        values = random.integers(0, 256, (BATCH, frames, width)).astype(np.uint8)
        values[np.arange(frames) >= num_frames[:, None]] = 0
        streams[name] = values if level == "frame" else (values.astype(np.float32) / 64 - 2)
    return {**streams, "num_frames": num_frames}


def set_weights(model: keras.Model) -> None:
    """The same weights under every backend: noise of the usual size, about 1 where fresh weights are."""
    random = np.random.default_rng(2)
    for variable in model.variables:
        if variable.dtype != "float32":
            continue
        noise = random.standard_normal(variable.shape).astype(np.float32) / np.sqrt(
            max(variable.shape[:-1], default=25)
        )
        value = noise + (1 if variable.path.endswith(ABOUT_ONE) else 0)
        variable.assign(np.abs(value) + 0.1 if variable.path.endswith("moving_variance") else value)


def model_outputs(name: str, level: str) -> dict[str, np.ndarray]:
    """Predictions, the loss of a training step, and the weights after it."""
    model = models.create(name, CLASSES, level=level, **SMALL[name])
    set_weights(model)
    given = inputs(level)
    labels = (np.random.default_rng(3).random((BATCH, CLASSES)) < 0.1).astype(np.float32)
    found = {"predictions": np.asarray(keras.ops.convert_to_numpy(model(given, training=False)))}
    rate = schedules.create("staircase", batch_size=BATCH, epoch_examples=100, total_examples=250, base=0.01, decay=0.8,
                            decay_examples="0.1 epoch")  # fmt: skip
    optimizer = keras.optimizers.Adam(
        rate, epsilon=1e-3, clipnorm=1.0
    )  # a large epsilon keeps noise from becoming steps
    loss = losses.create("cross_entropy")
    model.compile(optimizer, loss=lambda y, p: loss(y, p))
    found["loss"] = np.asarray(model.train_on_batch(given, labels))
    for number, variable in enumerate(model.trainable_variables):
        found[f"after/{number}"] = np.asarray(keras.ops.convert_to_numpy(variable))
    return found


def loss_outputs(name: str) -> dict[str, np.ndarray]:
    """A loss of random labels and probabilities."""
    random = np.random.default_rng(4)
    labels = (random.random((BATCH, CLASSES)) < 0.2).astype(np.float32)
    probabilities = random.random((BATCH, CLASSES)).astype(np.float32)
    return {"loss": np.asarray(keras.ops.convert_to_numpy(losses.create(name, **LOSSES[name])(labels, probabilities)))}


def write_model(folder: Path, name: str) -> Path:
    """A model as training writes it, its matrices in float16."""
    model = models.create(name, CLASSES, level="video", **SMALL[name])
    set_weights(model)
    round_to_float16(model)
    folder.mkdir()
    write_weights(folder / WEIGHTS, model, "float16")
    manifest: dict[str, Any] = {
        "kind": "model", "name": name, "architecture": name, "settings": SMALL[name], "level": "video",
        "num_classes": CLASSES, "weights": describe_weights(folder / WEIGHTS, "float16"),
        "vocabulary_fingerprint": None, "training_set_fingerprint": "t",
        "preset": {"frames": {"predict": {"kind": "all", "count": 300}}},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps({**manifest, "fingerprint": model_fingerprint(manifest)}))
    return folder


def prediction_outputs() -> dict[str, np.ndarray]:
    """A predictions file of real videos that carry a few frequent labels alone, by an ensemble."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build_index([str(SHARD)], folder / "all.parquet")
        index = read_index(folder / "all.parquet")
        few = [row for row in range(len(index)) if set(index.labels_of(row).tolist()) <= set(range(CLASSES))][:40]
        write_index(folder / "few.parquet", index.take(np.array(few)))
        members = [write_model(folder / name, name) for name in ("moe", "mlp")]
        predict(members, folder / "few.parquet", folder / "p.parquet", top=5, weights=[2, 1], batch_size=16)
        predictions = read_predictions(folder / "p.parquet")
        return {"top_confidences": predictions.top_confidences, "label_confidences": predictions.label_confidences}


def main(path: Path) -> None:
    found = {f"predict/{key}": value for key, value in prediction_outputs().items()}
    for name in models.names():
        for level in models.LEVELS:
            found |= {f"{name}/{level}/{key}": value for key, value in model_outputs(name, level).items()}
    for name in losses.names():
        found |= {f"loss {name}/{key}": value for key, value in loss_outputs(name).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, backend=keras.backend.backend(), **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
