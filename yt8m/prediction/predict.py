"""Predictions: the most confident labels of each video of an index, by one model or the average of several."""

import contextlib
import functools
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from yt8m.artifacts import refuse_repeated
from yt8m.data.records.video_index import EACH_ONCE, VideoIndex, read_index
from yt8m.errors import InputError
from yt8m.loader import DEFAULT_STAGING, PADDING, Batch, Batches, FrameSampling, Staging, prediction_batches
from yt8m.models import create
from yt8m.models.devices import check_devices, release_memory
from yt8m.models.frame_heads import TakesBatches
from yt8m.prediction.partial_results import Part, PartialResults
from yt8m.prediction.ranks import COLUMNS, Ranks, assemble, join_ranks, rank
from yt8m.prediction.table import write_predictions
from yt8m.prediction.top_k import TOP
from yt8m.progress import Progress, log
from yt8m.registry.manifest import MANIFEST, check_weights, find_model, read_manifest
from yt8m.storage import StrPath

BATCH_SIZE = 256
SKIPPED = "skipped"


@dataclass(frozen=True)
class TrainedModel:
    """A model with its weights, and the manifest it came with."""

    model: keras.Model
    manifest: dict[str, Any]

    @functools.cached_property
    def on_batches(self) -> keras.Model:
        """The model, taking batches as they are read."""
        return TakesBatches(self.model)

    @property
    def sampling(self) -> FrameSampling:
        """The frames that its predictions use."""
        return FrameSampling(**self.manifest["preset"]["frames"]["predict"])


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


def confidences(trained: TrainedModel, batch: Batch) -> np.ndarray:
    """The probability of each label: float32 [B, V]."""
    return np.asarray(trained.on_batches.predict_on_batch(batch.as_read()), np.float32)


def predict(
    models: Sequence[StrPath],
    index: StrPath,
    output: StrPath,
    *,
    top: int = TOP,
    batch_size: int = BATCH_SIZE,
    weights: Sequence[float] | None = None,
    source: str | None = None,
    skip_bad_records: bool = False,
    staging: Staging = DEFAULT_STAGING,
    parts: StrPath | None = None,
    part_seconds: float = 30.0,
) -> dict[str, Any]:
    """Predict each video of an index, in its order, and write a predictions file.

    A killed prediction that is started again goes on where it was, and ends with the same bytes.

    Args:
        models: folders of trained models; several are averaged over the confidences of all classes.
        index: file of a video index.
        output: the predictions file.
        top: labels a video, K.
        batch_size: videos at a time.
        weights: of the models in the average, which need not add up to one; equal by default.
        source: the folder of the shards, if not where the index says.
        skip_bad_records: leave bad records out, list them in the result and predict the others.
        staging: how shards on gs:// are staged.
        parts: folder of what is finished while it runs, local or gs://; by default `output` with `.parts` behind it.
        part_seconds: between two parts.

    Returns:
        `{videos, top, num_classes, models, level, simulated, fingerprint, skipped}`; `skipped` lists bad records.

    Raises:
        InputError: wrong input, a video twice in the index, models that do not fit it or each other, or a bad record.
    """
    if top < 1:
        raise InputError(f"--top {top}: at least 1 label a video is needed")
    videos = read_index(index)
    refuse_repeated(videos.video_ids, index, EACH_ONCE)
    shares = _shares(weights, models)
    log(f"predicting on {check_devices()}")
    trained = [load_model(path) for path in models]
    _check(trained, models, videos, index)
    metadata = _metadata(trained, videos, weights)
    reading = {
        "batch_size": min(batch_size, len(videos)),
        "num_classes": metadata["num_classes"],
        "source": source,
        "skip_bad_records": skip_bad_records,
        "staging": staging,
    }
    job = {**metadata, "top": top, "batch_size": reading["batch_size"], "skip_bad_records": skip_bad_records}
    saved = PartialResults(parts or f"{os.fspath(output)}.parts", {**job, "backend": keras.backend.backend()})
    ranks, skipped = _Run(trained, shares, videos, top, reading).finish(saved, part_seconds)
    del trained
    release_memory()
    predictions = assemble(videos, ranks, metadata)
    write_predictions(output, predictions)
    saved.remove()
    return {
        "videos": len(predictions),
        "top": predictions.top_labels.shape[1],
        "models": [manifest["name"] for manifest in predictions.metadata["models"]],
        **{key: predictions.metadata[key] for key in ("num_classes", "level", "simulated", "fingerprint")},
        "skipped": skipped,
    }


def _shares(weights: Sequence[float] | None, models: Sequence[StrPath]) -> np.ndarray | None:
    """Weights as float32 that add up to one; None for equal ones.

    Raises:
        InputError: not one for each model, or one that is not a positive number.
    """
    if weights is None:
        return None
    if len(weights) != len(models):
        raise InputError(f"--weights: {len(weights)} are given for {len(models)} models; give one for each model")
    for path, weight in zip(models, weights, strict=True):
        if not 0 < weight < float("inf"):
            raise InputError(f"--weights: the weight of {path} is {weight:g}; it must be above 0 (leave the model out)")
    return (np.asarray(weights, np.float64) / np.sum(weights)).astype(np.float32)


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


@dataclass(frozen=True)
class _Run:
    """A prediction in the making.

    Attributes:
        trained: the models.
        shares: of each in the average, float32; None for equal ones.
        videos: to predict.
        top: labels a video.
        reading: arguments of `prediction_batches`.
    """

    trained: list[TrainedModel]
    shares: np.ndarray | None
    videos: VideoIndex
    top: int
    reading: dict[str, Any]

    def finish(self, saved: PartialResults, part_seconds: float) -> tuple[Ranks, list[dict[str, Any]]]:
        """What saved parts hold and what they lack, in the order of the videos; and the records left out."""
        keeper = _Keeper(saved, part_seconds)
        predicted = sum(len(part.rows) for part in keeper.done)
        if keeper.first:
            log(f"prediction continues at video {predicted:,} of {len(self.videos):,}")
        with contextlib.ExitStack() as stack:
            streams = self._open_streams(stack, keeper.first)
            stream = next(iter(streams.values()))
            for ranks in self._rank(streams, len(self.videos) - predicted):
                keeper.add(ranks, stream.skipped)
            skipped = {(entry["file"], entry["record"]): entry for entry in [*keeper.skipped, *stream.skipped]}
        return join_ranks([*keeper.done, *keeper.new]), [skipped[record] for record in sorted(skipped)]

    def _open_streams(self, stack: contextlib.ExitStack, first: int) -> dict[FrameSampling, Batches]:
        """The batches from `first` on of each way to choose frames; models that choose alike share them."""
        return {
            sampling: stack.enter_context(
                prediction_batches(self.videos, sampling=sampling, start=first, **self.reading)
            )
            for sampling in dict.fromkeys(model.sampling for model in self.trained)
        }

    def _rank(self, streams: dict[FrameSampling, Batches], total: int) -> Iterator[Ranks]:
        with Progress("predicting", total, "videos") as progress:
            for batches in zip(*streams.values(), strict=True):
                by_sampling = dict(zip(streams, batches, strict=True))
                members = [confidences(model, by_sampling[model.sampling]) for model in self.trained]
                mean = _average(members, self.shares)
                rows = batches[0].rows
                yield rank(self.videos, rows[rows != PADDING], mean[rows != PADDING], self.top)
                progress.advance(int(np.count_nonzero(rows != PADDING)))


class _Keeper:
    """Collects what is predicted, batch after batch, and saves a part of it now and then.

    Args:
        saved: where; what is there already is taken up.
        seconds: between two parts.

    Attributes:
        done: the parts that are saved; new: what is not yet.
        skipped: the records left out that saved parts tell of.
        first: the step of the next batch after the saved parts.
    """

    def __init__(self, saved: PartialResults, seconds: float):
        self._saved, self._seconds, self._since = saved, seconds, time.monotonic()
        parts = saved.load()
        self.done = [Ranks(**{name: part.arrays[name] for name in ("rows", *COLUMNS)}) for part in parts]
        self.skipped = [entry for part in parts for entry in json.loads(str(part.arrays[SKIPPED]))]
        self.first = parts[-1].end if parts else 0
        self.new: list[Ranks] = []

    def add(self, ranks: Ranks, skipped: list[dict[str, Any]]) -> None:
        """Take a batch; `skipped` lists the records left out so far."""
        self.new.append(ranks)
        if time.monotonic() - self._since < self._seconds:
            return
        part, end = join_ranks(self.new), self.first + len(self.new)
        self._saved.save(Part(self.first, end, {**part.arrays(), SKIPPED: np.array(json.dumps(skipped))}))
        self.done.append(part)
        self.first, self.new, self._since = end, [], time.monotonic()


def _average(members: list[np.ndarray], shares: np.ndarray | None) -> np.ndarray:
    """The mean of float32 matrices, summed in their order."""
    if shares is not None:
        members = [member * share for member, share in zip(members, shares, strict=True)]
    total = members[0]
    for member in members[1:]:
        total = total + member
    return total / np.float32(len(members)) if shares is None and len(members) > 1 else total


def _metadata(trained: list[TrainedModel], videos: VideoIndex, weights: Sequence[float] | None) -> dict[str, Any]:
    manifests = [model.manifest for model in trained]
    shares = [{}] * len(manifests) if weights is None else [{"weight": float(weight)} for weight in weights]
    return {
        "num_classes": manifests[0]["num_classes"],
        "simulated": videos.simulated,
        "level": videos.level,
        "models": [
            {"name": m["name"], "fingerprint": m["fingerprint"], "training_set": m["training_set_fingerprint"], **share}
            for m, share in zip(manifests, shares, strict=True)
        ],
        "index": videos.fingerprint(),
    }
