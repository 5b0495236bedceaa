"""A training set as real shards: the framed bytes of its records, unchanged, in the order of a shuffled epoch.

Training needs no such copy (it reads the source through the index); this is for other readers of TFRecords. Shard s
holds the s-th stretch of the epoch that `yt8m.loader.order` gives for (training set, phase, seed), so equal arguments
give equal bytes, whatever the number of processes.

A shard appears under its name when it is whole. What the folder is going to hold stands in `.partial-export.json`, and
in `export.json` once it does: a killed export goes on where it stopped, and a folder of another export is refused.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint
from yt8m.data.rebalance.training_set import TrainingSet, read_training_set
from yt8m.data.records import tfrecord
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.loader.order import epoch_order
from yt8m.loader.shard_writer import ShardJob, ShardWriter, Skipped, skip_list, start_worker, write_shard
from yt8m.progress import Progress
from yt8m.seeds import check_seed
from yt8m.storage import PARTIAL, StrPath, alone_in, read_json, write_json

MANIFEST = "export.json"
SPARE_BYTES = 1 << 30
FORMAT = 1  # of the shards' content; raised when it changes


def export(
    training_set: StrPath,
    output_dir: StrPath,
    *,
    shards: int,
    phase: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    source: str | None = None,
    prefix: str = "train",
    skip_bad_records: bool = False,
) -> dict[str, Any]:
    """Write a phase of a training set to shards, or resume it.

    Args:
        training_set: the file.
        output_dir: a folder for this export alone.
        shards: how many.
        phase: which phase; may be left out when there is one.
        seed: of the shuffle.
        workers: processes; by default one a core.
        source: the folder of the source shards, when it is not where they were indexed.
        prefix: shards are called PREFIX0000.tfrecord and so on, `-simulated` after the number if frames are.
        skip_bad_records: leave out records whose checksum is wrong and list them, where the default stops.

    Returns:
        `{folder, shards, written, kept, records, bytes, skipped: [{file, record, offset, problem}]}`.

    Raises:
        InputError: wrong arguments, a changed source, another export in the folder, or too little disk space.
        RecordError: a damaged record of the source.
    """
    sets = read_training_set(training_set)
    phase = _phase_of(sets, phase)
    folder = Path(output_dir)
    jobs = _jobs(sets, phase, shards, seed, prefix)
    plan = _plan(sets, phase, shards, seed, prefix, skip_bad_records)
    with alone_in(folder, "an export"):
        finished = _claim(folder, plan)
        missing = [job for job in jobs if not (folder / job.name).exists()]
        if finished and not missing:
            result = finished["result"]
        else:
            _check_space(folder, sets.index, missing)
            workers = workers or os.cpu_count() or 1
            outcomes = _write_all(sets.index, folder, missing, source, skip_bad_records, workers)
            result = _finish(folder, plan, jobs, finished, outcomes)
        for leftover in folder.glob(f"{PARTIAL}*"):  # also when the manifest is there: a kill may have come before this
            leftover.unlink()
    return {**result, "folder": str(folder), "written": len(missing), "kept": shards - len(missing)}


def _finish(
    folder: Path,
    plan: dict[str, Any],
    jobs: list[ShardJob],
    finished: dict[str, Any] | None,
    outcomes: dict[str, Skipped],
) -> dict[str, Any]:
    """Write the manifest, all shards being there; returns what it says of the result."""
    lists = _lists(folder, jobs, finished, outcomes)
    skipped = [entry for job in jobs for entry in lists[job.name]]
    result = {
        "shards": len(jobs),
        "records": sum(len(job.rows) for job in jobs) - len(skipped),
        "bytes": sum((folder / job.name).stat().st_size for job in jobs),
        "skipped": skipped,
    }
    kept_lists = {name: entries for name, entries in lists.items() if entries}
    write_json(folder / MANIFEST, {"plan": plan, "result": result, "skipped": kept_lists})
    return result


def _phase_of(sets: TrainingSet, phase: int | None) -> int:
    count = len(sets.phases)
    names = ", ".join(f"{number} ({one.name})" for number, one in enumerate(sets.phases))
    if phase is None and count > 1:
        raise InputError(f"the training set has {count} phases; choose one with --phase: {names}")
    if phase is not None and not 0 <= phase < count:
        raise InputError(f"--phase {phase}: the training set has the phases {names}")
    if sets.index.level == "labels":
        raise InputError(
            "the training set was planned on labels alone, without shards; index the shards with `yt8m index`"
        )
    return phase or 0


def _jobs(sets: TrainingSet, phase: int, shards: int, seed: int, prefix: str) -> list[ShardJob]:
    size = sets.phase_size(phase)
    if not 1 <= shards <= max(size, 1):
        raise InputError(f"--shards {shards}: choose 1 to {size:,}, the records of the phase")
    check_seed(seed)
    if not prefix or os.path.basename(prefix) != prefix or prefix.startswith("."):
        raise InputError(f"--prefix {prefix}: the shards' names start with it; give letters and digits, no folder")
    order = epoch_order(sets.repeats[phase], seed, 0, phase)
    digits = max(4, len(str(shards - 1)))
    mark = "-simulated" if sets.index.simulated else ""
    return [
        ShardJob(f"{prefix}{number:0{digits}d}{mark}.tfrecord", rows)
        for number, rows in enumerate(np.array_split(order, shards))
    ]


def _plan(sets: TrainingSet, phase: int, shards: int, seed: int, prefix: str, skip: bool) -> dict[str, Any]:
    plan = {
        "training_set": sets.fingerprint(),
        "phase": phase,
        "shards": shards,
        "seed": seed,
        "prefix": prefix,
        "skip_bad_records": skip,
        "format": FORMAT,
    }
    return {**plan, "fingerprint": fingerprint(plan)}


def _claim(folder: Path, plan: dict[str, Any]) -> dict[str, Any] | None:
    """Make the folder this export's own; the manifest if it is finished already."""
    folder.mkdir(parents=True, exist_ok=True)
    started = folder / f"{PARTIAL}{MANIFEST}"
    for path in (folder / MANIFEST, started):
        if not path.exists():
            continue
        found = read_json(path, "choose an empty folder")
        if found["plan"] != plan:
            differs = next(key for key in plan if found["plan"].get(key) != plan[key])
            raise InputError(
                f"{folder}: holds another export ({differs} {found['plan'].get(differs)}, now {plan[differs]});"
                " choose another folder, or empty this one"
            )
        if path.name == MANIFEST:
            return dict(found)
        return None
    foreign = next((name for name in os.listdir(folder) if name.endswith(".tfrecord")), None)
    if foreign:
        raise InputError(f"{folder}: holds {foreign}, which is not of this export; choose an empty folder")
    write_json(started, {"plan": plan})
    return None


def _check_space(folder: Path, index: VideoIndex, jobs: list[ShardJob]) -> None:
    needed = sum(int(index.lengths[job.rows].sum(dtype=np.int64)) + tfrecord.OVERHEAD * len(job.rows) for job in jobs)
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if needed > free:
        raise InputError(
            f"{folder}: the shards need {needed / 1e9:.1f} GB and {max(free, 0) / 1e9:.1f} GB are free"
            " (1 GB is left in reserve); choose another disk, or train without an export: `yt8m train` needs none"
        )


def _write_all(
    index: VideoIndex, folder: Path, jobs: list[ShardJob], source: str | None, skip: bool, workers: int
) -> dict[str, Skipped]:
    """Write the shards by `workers` processes, of which this one is the first: the others take a while to start."""
    writer = ShardWriter(index, source)  # a missing or changed shard is told before any work
    outcomes: dict[str, Skipped] = {}
    with Progress("exporting", sum(len(job.rows) for job in jobs), "records") as progress, ExitStack() as stack:
        running: dict[Future[Skipped], ShardJob] = {}
        if min(workers, len(jobs)) > 1:
            pool = ProcessPoolExecutor(
                min(workers, len(jobs)) - 1, get_context("spawn"), initializer=start_worker, initargs=(index, source)
            )
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            running = {pool.submit(write_shard, folder, job, skip): job for job in jobs[1:]}

        def keep(job: ShardJob, skipped: Skipped) -> None:
            outcomes[job.name] = skipped
            progress.advance(len(job.rows))

        try:
            for job in _left_over(jobs, running):
                keep(job, writer.write(folder, job, skip))
                for done in [future for future in running if future.done()]:
                    keep(running.pop(done), done.result())
            for done in as_completed(running):
                keep(running[done], done.result())
        except BrokenProcessPool as error:
            raise InputError(
                f"{folder}: a process that wrote shards was killed, most likely for want of memory; run the same"
                " command again with fewer --workers; what is written is kept"
            ) from error
    return outcomes


def _left_over(jobs: list[ShardJob], running: dict[Future[Skipped], ShardJob]) -> Iterator[ShardJob]:
    """The first job, then one after the other those from the end that no process has begun, taken from `running`."""
    if not running:
        yield from jobs
        return
    yield jobs[0]
    for future in reversed(list(running)):
        if future.cancel():
            yield running.pop(future)


def _lists(
    folder: Path, jobs: list[ShardJob], finished: dict[str, Any] | None, outcomes: dict[str, Skipped]
) -> dict[str, Skipped]:
    """What was left out of each shard: now, before an interruption, or by an export that was finished before."""
    lists: dict[str, Skipped] = {job.name: [] for job in jobs} | (finished or {}).get("skipped", {})
    for job in jobs:
        if skip_list(folder, job.name).exists():
            lists[job.name] = read_json(skip_list(folder, job.name))
    return lists | outcomes
