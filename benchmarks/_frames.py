"""Frame-level shards of the real size (up to 300 frames, about 250 KB a video), made once of the sample's videos."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from yt8m.data.records.simulate import simulate

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


class Work(NamedTuple):
    """Things done, and what the quickest of several runs took: seconds, and seconds of all processors."""

    count: int
    wall: float
    cpu: float


def work(count: int, job: Callable[[], object], repeats: int = 3) -> Work:
    """Run a job that does `count` things several times."""
    costs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), _cpu_seconds()
        job()
        costs.append((time.perf_counter() - wall, _cpu_seconds() - cpu))
    return Work(count, *(min(column) for column in zip(*costs, strict=True)))


def _cpu_seconds() -> float:
    """Of this process and of those that it has waited for, in microseconds' steps (`os.times` counts hundredths)."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def rates(job: str, unit: str, naive: Work, ours: Work) -> dict[str, dict[str, float | str]]:
    """Rows of the table: things a second on all cores, and a second of one core, which other programs disturb less."""
    return {
        job: _rate(f"{unit}/s", naive.count / naive.wall, ours.count / ours.wall),
        f"{job}, a core": _rate(f"{unit}/core-s", naive.count / naive.cpu, ours.count / ours.cpu),
    }


def _rate(unit: str, naive: float, ours: float) -> dict[str, float | str]:
    return {"naive": naive, "ours": ours, "ratio": ours / naive, "unit": unit}
