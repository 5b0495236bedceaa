"""Frame-level shards of the real size (up to 300 frames, about 250 KB a video), made once of the sample's videos."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from yt8m.records.simulate import simulate

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench-frames"
SHARDS = 2


def frame_shards() -> list[Path]:
    """Two shards, about 580 videos and 140 MB; kept in build/ for the next run."""
    sources = sorted((ROOT / "sample" / "train").glob("*.tfrecord"))[:SHARDS]
    simulate([str(source) for source in sources], FOLDER, max_frames=300)
    return sorted(FOLDER.glob("*.tfrecord"))


def warm(paths: list[Path]) -> None:
    """Read the files once, so that they lie in the page cache."""
    for path in paths:
        path.read_bytes()


def cool(paths: list[Path]) -> None:
    """Ask the kernel to forget the files' pages."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(job: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of several runs of a job."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        job()
        times.append(time.perf_counter() - started)
    return min(times)


def rates(unit: str, count: int, naive_seconds: float, our_seconds: float) -> dict[str, float | str]:
    """A benchmark's result as rates: `count` things done in so many seconds each."""
    naive, ours = count / naive_seconds, count / our_seconds
    return {"naive": naive, "ours": ours, "ratio": ours / naive, "unit": f"{unit}/s"}
