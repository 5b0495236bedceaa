"""Training from gs:// as the tests of staging do it, and what it leaves on the disk."""

import contextlib
import os
import threading
from pathlib import Path

from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.loader import Batch, FrameSampling, Staging, training_batches

CLASSES, BATCH = 60, 5
EVEN = FrameSampling("even", 4)
SHARD_BYTES = 3 * 10**6


def train(training_set: TrainingSet, source: str | None, start=0, stop: int | None = 20, *, phase=0, **settings):
    settings.setdefault("staging", Staging(window_bytes=2 * SHARD_BYTES))
    return training_batches(
        training_set, phase, batch_size=BATCH, sampling=EVEN, seed=3, start=start, stop=stop, num_classes=CLASSES,
        source=source, **settings,
    )  # fmt: skip


def by_row(batches: list[Batch]) -> list[tuple]:
    """Each video of the batches with a digest of its content, sorted."""
    return sorted(
        (int(row), batch.rgb[i].tobytes(), batch.audio[i].tobytes(), batch.labels[i].tobytes())
        for batch in batches
        for i, row in enumerate(batch.rows)
    )


def media(gcs) -> list[dict]:
    return [entry for entry in gcs.log() if "alt=media" in entry["path"]]


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; whatever vanishes meanwhile counts for nothing."""
    total = 0
    for place, _, files in os.walk(folder):  # which passes over a folder that is gone
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def staging_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("yt8m-staging")]
