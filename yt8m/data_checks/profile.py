"""The profile of a training partition: what a later one is compared with, in about 100 KB of JSON."""

import os
from typing import Any

import numpy as np

from yt8m.errors import InputError
from yt8m.loader import PADDING, FrameSampling, prediction_batches
from yt8m.rebalance.facts import hashed_draws
from yt8m.records.video_index import VideoIndex
from yt8m.storage import read_json

KIND = "data_profile"
FEATURES = ("rgb", "audio")
VIDEOS = 2000
BATCH = 64
ALL_FRAMES = FrameSampling("all", 300)
STEP, OFFSET = 4 / 255, 4 / 512 - 2  # dequantisation, as in yt8m.models.dequantize


def profile_of(index: VideoIndex, *, videos: int = VIDEOS, source: str | None = None) -> dict[str, Any]:
    """The profile of a partition.

    Args:
        index: of the partition.
        videos: at most so many are read for the features, chosen by a hash of the id.
        source: where the shards lie, if not where the index says.

    Returns:
        `kind, level, simulated, videos, index` (its fingerprint); `label_videos` (how many videos carry each label, by
        index); `frame_counts` (how many videos have 0, 1, ... frames; None without frames); `features` (None without
        shards): `videos` read, and for `rgb` [1024] and `audio` [128] the `mean` and the standard deviation `std`
        between videos of a video's mean frame, dequantised.
    """
    frames = np.bincount(index.num_frames).tolist() if index.level == "frame" else None
    return {
        "kind": KIND,
        "level": index.level,
        "simulated": index.simulated,
        "videos": len(index),
        "index": index.fingerprint(),
        "label_videos": np.bincount(index.labels).tolist(),
        "frame_counts": frames,
        "features": None if index.level == "labels" else _features(_sample(index, videos), source),
    }


def read_profile(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A profile that was written as JSON.

    Raises:
        InputError: missing, or something else.
    """
    remedy = "give the data_profile.json of `yt8m validate`"
    profile = read_json(path, remedy)
    if not isinstance(profile, dict) or profile.get("kind") != KIND:
        raise InputError(f"{path}: not a data profile; {remedy}")
    return profile


def _sample(index: VideoIndex, videos: int) -> VideoIndex:
    draws = hashed_draws(index.video_ids, "data profile")
    return index.take(np.sort(np.argsort(draws, kind="stable")[:videos]))


def _features(index: VideoIndex, source: str | None) -> dict[str, Any]:
    batches = prediction_batches(index, batch_size=min(BATCH, len(index)), sampling=ALL_FRAMES, source=source)
    means: dict[str, list[np.ndarray]] = {name: [] for name in FEATURES}
    with batches:
        for batch in batches:
            real = batch.rows != PADDING
            for name in FEATURES:
                means[name].append(_mean_frames(getattr(batch, name)[real], batch.num_frames[real]))
    columns = {name: np.concatenate(parts) for name, parts in means.items()}
    return {
        "videos": len(index),
        **{name: {"mean": _digits(x.mean(axis=0)), "std": _digits(x.std(axis=0))} for name, x in columns.items()},
    }


def _mean_frames(frames: np.ndarray, num_frames: np.ndarray) -> np.ndarray:
    """float64 [B, D]: the mean frame of each video, dequantised where it is uint8 [B, T, D]."""
    means = frames.sum(axis=1, dtype=np.float64) / np.maximum(num_frames, 1)[:, None]
    return means * STEP + OFFSET if frames.dtype == np.uint8 else means


def _digits(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]
