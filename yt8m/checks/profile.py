"""The profile of a training partition: what a later one is compared with, in about 100 KB of JSON."""

from typing import Any

import numpy as np

from yt8m.checks.drift import FEATURES, FLOOR
from yt8m.data.rebalance.facts import hashed_draws
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader import PADDING, FrameSampling, prediction_batches
from yt8m.storage import StrPath, read_json

KIND = "data_profile"
VIDEOS = 2000
BATCH = 64
ALL_FRAMES = FrameSampling("all", 300)
LIMIT = 2  # standard deviations: beyond, a few videos would decide about the asymmetry
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
        shards): `videos` read, and for `rgb` [1024] and `audio` [128] what is known of a video's mean frame,
        dequantised: `mean` and standard deviation `std` between videos; `asymmetry`, the mean cube of the standardised
        values limited to -2 to 2 (0 where both sides of the mean are alike); `size_std`, the deviation of a video's
        size, the root mean square over its dimensions; and `noise`, what chance brings for a single video: the mean
        over the dimensions of the variances of log std (`spread`, and `common` of what they share), asymmetry, and of
        log size_std (`size`); divided by the videos it is the square of a standard error.

    Raises:
        InputError: a feature that is not a number.
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


def read_profile(path: StrPath) -> dict[str, Any]:
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
                values = _mean_frames(getattr(batch, name)[real], batch.num_frames[real])
                _check_finite(values, batch.rows[real], index, name)
                means[name].append(values)
    columns = {name: np.concatenate(parts) for name, parts in means.items()}
    return {"videos": len(index), **{name: _moments(values) for name, values in columns.items()}}


def _check_finite(values: np.ndarray, rows: np.ndarray, index: VideoIndex, name: str) -> None:
    wrong = rows[~np.isfinite(values).all(axis=1)]
    if len(wrong):
        row = wrong[0]
        raise InputError(
            f"{index.shards[index.shard_numbers[row]].name}: video {index.video_ids[row].decode(errors='replace')} has "
            f"{name} features that are not numbers (NaN or infinite); make its shard anew, or leave the video out"
        )


def _moments(values: np.ndarray) -> dict[str, Any]:
    """What a profile says of features [n, D]; the noise by each measure's influence function."""
    mean, std = values.mean(axis=0), values.std(axis=0)
    z = (values - mean) / np.maximum(std, FLOOR)
    spread = (z**2 - 1) / 2
    limited = np.clip(z, -LIMIT, LIMIT) ** 3
    slopes = 3 * z**2 * (np.abs(z) < LIMIT)
    asymmetry = limited.mean(axis=0)
    skewed = limited - asymmetry - slopes.mean(axis=0) * z - (z * slopes).mean(axis=0) * spread
    sizes = np.sqrt((values**2).mean(axis=1))
    size_std = sizes.std()
    sized = (((sizes - sizes.mean()) / max(size_std, FLOOR)) ** 2 - 1) / 2
    noise = {
        "spread": (spread**2).mean(),
        "common": (spread.mean(axis=1) ** 2).mean(),
        "asymmetry": (skewed**2).mean(),
        "size": (sized**2).mean(),
    }
    return {
        "mean": _digits(mean),
        "std": _digits(std),
        "asymmetry": _digits(asymmetry),
        "size_std": _digits(size_std.reshape(1))[0],
        "noise": {name: _digits(value.reshape(1))[0] for name, value in noise.items()},
    }


def _mean_frames(frames: np.ndarray, num_frames: np.ndarray) -> np.ndarray:
    """float64 [B, D]: the mean frame of each video, dequantised where it is uint8 [B, T, D]."""
    means = frames.sum(axis=1, dtype=np.float64) / np.maximum(num_frames, 1)[:, None]
    return means * STEP + OFFSET if frames.dtype == np.uint8 else means


def _digits(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]
