"""Predictions: the most confident labels of each video of an index, by one model or the average of several."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.exported_model import MANIFEST, check_weights, find_model, read_manifest
from yt8m.loader import DEFAULT_STAGING, PADDING, Batch, Batches, FrameSampling, Staging, prediction_batches
from yt8m.models import create
from yt8m.predictions import Predictions, write_predictions
from yt8m.progress import Progress
from yt8m.records.video_index import VideoIndex, read_index
from yt8m.top_k import label_ranks, top_k

StrPath = str | os.PathLike[str]
BATCH_SIZE = 256


@dataclass(frozen=True)
class TrainedModel:
    """A model with its weights, and the manifest it came with."""

    model: keras.Model
    manifest: dict[str, Any]

    @property
    def sampling(self) -> FrameSampling:
        """The frames that its predictions use."""
        return FrameSampling(**self.manifest["preset"]["frames"]["predict"])


@dataclass(frozen=True)
class _Part:
    """What one batch contributes, padding left out."""

    rows: np.ndarray
    top_labels: np.ndarray
    top_confidences: np.ndarray
    label_ranks: np.ndarray
    label_confidences: np.ndarray


def load_model(path: StrPath) -> TrainedModel:
    """The model of a folder that `yt8m train` made (or of `model` in it), its weights checked by CRC32C.

    Raises:
        InputError: no model is there, it is damaged, or its settings fit no model of this version.
    """
    folder = find_model(path)
    manifest = read_manifest(folder)
    weights = check_weights(folder, manifest)
    settings = {**manifest["settings"], "level": manifest["level"]}
    model = create(manifest["architecture"], manifest["num_classes"], **settings)
    try:
        model.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{weights}: not the weights of what {MANIFEST} describes ({reason})") from error
    return TrainedModel(model, manifest)


def confidences(model: keras.Model, batch: Batch) -> np.ndarray:
    """The probability of each label: float32 [B, V]."""
    return np.asarray(model.predict_on_batch(batch.inputs()), np.float32)


def predict(
    models: Sequence[StrPath],
    index: StrPath,
    output: StrPath,
    *,
    top: int = 20,
    batch_size: int = BATCH_SIZE,
    source: str | None = None,
    skip_bad_records: bool = False,
    staging: Staging = DEFAULT_STAGING,
) -> dict[str, Any]:
    """Predict each video of an index, in its order, and write a predictions file.

    Args:
        models: folders of trained models; several are averaged over the confidences of all classes.
        index: file of a video index.
        output: the predictions file.
        top: labels a video, K.
        batch_size: videos at a time.
        source: the folder of the shards, if not where the index says.
        skip_bad_records: leave bad records out, list them in the result and predict the others.
        staging: how shards on gs:// are staged.

    Returns:
        `{videos, top, num_classes, models, level, simulated, fingerprint, skipped}`; `skipped` lists bad records.

    Raises:
        InputError: wrong input, models that do not fit the index or each other, or a bad record.
    """
    if top < 1:
        raise InputError(f"--top {top}: at least 1 label a video is needed")
    videos = read_index(index)
    trained = [load_model(path) for path in models]
    _check(trained, models, videos, index)
    with contextlib.ExitStack() as stack:
        streams = _open_streams(stack, trained, videos, batch_size, source, skip_bad_records, staging)
        parts = list(_parts(trained, streams, videos, top))
        skipped = sorted(next(iter(streams.values())).skipped, key=lambda entry: (entry["file"], entry["record"]))
    predictions = _assemble(videos, parts, _metadata(trained, videos))
    write_predictions(output, predictions)
    return {
        "videos": len(predictions),
        "top": predictions.top_labels.shape[1],
        "models": [manifest["name"] for manifest in predictions.metadata["models"]],
        **{key: predictions.metadata[key] for key in ("num_classes", "level", "simulated", "fingerprint")},
        "skipped": skipped,
    }


def _check(trained: list[TrainedModel], paths: Sequence[StrPath], videos: VideoIndex, index: StrPath) -> None:
    """Whether the models fit the index and each other."""
    if not trained:
        raise InputError("no model is given; name the folder of one that `yt8m train` made")
    if not len(videos):
        raise InputError(f"{index}: there are no videos in it; index the shards of a whole partition")
    first = trained[0].manifest
    for path, model in zip(paths, trained, strict=True):
        manifest = model.manifest
        if manifest["level"] != videos.level:
            wanted, found = manifest["level"], videos.level
            raise InputError(f"{path}: a model of {wanted}-level records, but {index} holds {found}-level ones; index "
                             f"{wanted}-level shards")  # fmt: skip
        for key in ("num_classes", "vocabulary_fingerprint"):
            if manifest[key] != first[key]:
                raise InputError(f"{path}: its {key} is {manifest[key]}, that of {paths[0]} is {first[key]}; "
                                 "average models of one vocabulary")  # fmt: skip


def _open_streams(
    stack: contextlib.ExitStack,
    trained: list[TrainedModel],
    videos: VideoIndex,
    batch_size: int,
    source: str | None,
    skip: bool,
    staging: Staging,
) -> dict[FrameSampling, Batches]:
    """The batches of each way to choose frames; models that choose alike share them."""
    classes = trained[0].manifest["num_classes"]
    return {
        sampling: stack.enter_context(prediction_batches(
            videos, batch_size=min(batch_size, len(videos)), sampling=sampling, num_classes=classes, source=source,
            skip_bad_records=skip, staging=staging,
        ))
        for sampling in dict.fromkeys(model.sampling for model in trained)
    }  # fmt: skip


def _parts(
    trained: list[TrainedModel], streams: dict[FrameSampling, Batches], videos: VideoIndex, top: int
) -> Iterator[_Part]:
    with Progress("predicting", len(videos), "videos") as progress:
        for batches in zip(*streams.values(), strict=True):
            by_sampling = dict(zip(streams, batches, strict=True))
            mean = _average([confidences(model.model, by_sampling[model.sampling]) for model in trained])
            rows = batches[0].rows
            yield _judge(videos, rows[rows != PADDING], mean[rows != PADDING], top)
            progress.advance(int(np.count_nonzero(rows != PADDING)))


def _average(members: list[np.ndarray]) -> np.ndarray:
    """The mean of float32 matrices, summed in their order."""
    total = members[0]
    for member in members[1:]:
        total = total + member
    return total / np.float32(len(members)) if len(members) > 1 else total


def _judge(videos: VideoIndex, rows: np.ndarray, scores: np.ndarray, top: int) -> _Part:
    """The top labels of some videos, and how their true labels fared: scores float32 [rows, V]."""
    truth = videos.take(rows)
    return _Part(rows, *top_k(scores, top), *label_ranks(scores, truth.labels, truth.bounds))


def _assemble(videos: VideoIndex, parts: list[_Part], metadata: dict[str, Any]) -> Predictions:
    rows = np.concatenate([part.rows for part in parts])
    done = videos.take(rows)
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("top_labels", "top_confidences", "label_ranks", "label_confidences")
    }
    left_out = np.setdiff1d(np.arange(len(videos)), rows)
    identity = [metadata["models"], metadata["index"], columns["top_labels"].shape[1], left_out.tolist()]
    metadata = {**metadata, "fingerprint": fingerprint(identity)}
    return Predictions(video_ids=done.video_ids, labels=done.labels, bounds=done.bounds, **columns, metadata=metadata)


def _metadata(trained: list[TrainedModel], videos: VideoIndex) -> dict[str, Any]:
    manifests = [model.manifest for model in trained]
    return {
        "num_classes": manifests[0]["num_classes"],
        "simulated": videos.simulated,
        "level": videos.level,
        "models": [
            {"name": m["name"], "fingerprint": m["fingerprint"], "training_set": m["training_set_fingerprint"]}
            for m in manifests
        ],
        "index": videos.fingerprint(),
    }
