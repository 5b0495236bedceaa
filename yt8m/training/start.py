"""What a model starts a training with, beside its random weights: those of a trained one, or what its data say."""

import math
from typing import Any

import keras
import numpy as np

from yt8m.errors import InputError
from yt8m.loader import DEFAULT_STAGING, FrameSampling, Staging, training_batches
from yt8m.models.batch_norm import BatchNorm
from yt8m.models.heads import LabelEmbeddingHead, LogisticHead, MixtureOfExperts
from yt8m.prediction.predict import load_model
from yt8m.training.job import Job

HEADS = (LogisticHead, MixtureOfExperts, LabelEmbeddingHead)
MOST_VIDEOS = 20_000
MOST_BYTES = 1 << 29


def start(model: keras.Model, job: Job, source: str | None, staging: Staging = DEFAULT_STAGING) -> None:
    """Give a model what it takes from the first examples of its training, and not by learning.

    Args:
        model: with its random weights.
        job: what it is to be trained on.
        source: where the training shards lie, if not where the training set says.
        staging: how shards on gs:// are staged.

    Raises:
        InputError: a bad record, or `start_at_label_rates` with a model that has no head of a known kind.
    """
    if model.needs_data:
        model.adapt(*first_examples(job, source, staging))
    if job.preset["start_at_label_rates"]:
        start_at_rates(model, first_labels(job))


def set_batch_norm_momentum(model: keras.Model, momentum: float) -> None:
    """Set how much of the old moving statistics each batch norm keeps in a step; it changes evaluation only."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, BatchNorm):
            layer.momentum = momentum


def synchronize_batch_norm(model: keras.Model, replicas: int) -> None:
    """Have each batch norm take its statistics over the examples of so many replicas together."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, BatchNorm):
            layer.synchronized, layer.replicas = True, replicas


def start_at_rates(model: keras.Model, labels: np.ndarray) -> None:
    """Set the biases of a model's heads so that it predicts about the labels' rates for every video.

    Without it the first epochs go by with learning that most labels are rare.

    Args:
        model: any with heads of `yt8m.models`.
        labels: multi-hot [N, V] of training videos.

    Raises:
        InputError: the model has no such head.
    """
    heads = [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, HEADS)]
    if not heads:
        raise InputError(f"start_at_label_rates: the model {model.name} has no head that this is known for; "
                         "leave it out with --set start_at_label_rates=false")  # fmt: skip
    for head in heads:
        head.adapt(labels)


def first_labels(job: Job) -> np.ndarray:
    """Multi-hot uint8 [N, V] of videos of the first phase, each as often as an epoch reads it; N is limited."""
    training_set = job.training_set
    rows = np.repeat(np.arange(len(training_set)), training_set.repeats[0])
    rows = rows[:: math.ceil(len(rows) / MOST_VIDEOS)]
    labels = np.zeros((len(rows), job.num_classes), np.uint8)
    chosen = training_set.index.take(rows)
    labels[np.repeat(np.arange(len(rows)), chosen.labels_per_video), chosen.labels] = 1
    return labels


def first_examples(
    job: Job, source: str | None, staging: Staging = DEFAULT_STAGING
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The inputs and labels of the first examples of the training, as many as `MOST_VIDEOS` and `MOST_BYTES` allow."""
    preset = job.preset
    sampling, batch_size = FrameSampling(**preset["frames"]["train"]), preset["batch_size"]
    size = 4 if preset["level"] == "video" else sampling.count
    videos = min(job.training_set.phase_size(0), MOST_VIDEOS, MOST_BYTES // (1152 * size))
    with training_batches(
        job.training_set,
        0,
        batch_size=batch_size,
        sampling=sampling,
        seed=job.seed,
        start=0,
        stop=max(1, videos // batch_size),
        num_classes=job.num_classes,
        source=source,
        staging=staging,
    ) as batches:
        parts: list[tuple[dict[str, Any], Any]] = [(batch.inputs(), batch.labels) for batch in batches]
    features = {name: np.concatenate([inputs[name] for inputs, _ in parts]) for name in parts[0][0]}
    return features, np.concatenate([labels for _, labels in parts])


def inherit_weights(model: keras.Model, path: str) -> None:
    """Set a model's weights to those of a trained one.

    Raises:
        InputError: the folder is damaged, or a weight has another shape there.
    """
    theirs = load_model(path).model.weights
    if len(theirs) != len(model.weights):
        raise InputError(f"--init-from {path}: {len(theirs)} weights, this preset's model has {len(model.weights)}; "
                         "give both the same settings")  # fmt: skip
    for source, target in zip(theirs, model.weights, strict=True):
        if tuple(source.shape) != tuple(target.shape):
            raise InputError(f"--init-from {path}: the weight {source.path} is {tuple(source.shape)} there and "
                             f"{tuple(target.shape)} here; give both the same settings")  # fmt: skip
    for source, target in zip(theirs, model.weights, strict=True):
        target.assign(keras.ops.convert_to_numpy(source.value))
