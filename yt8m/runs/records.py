"""Records of a run's steps at the work root: what each read and made, how long it took, and why it failed.

`{work_root}/runs/{run}/{step}.json` is written when a step starts and again when it ends, so that a step that was
killed is there as one that never ended. A step must not be told the run's name as an argument, or no result could ever
be reused; it reads it from the address of its own outputs, which holds it on every target.
"""

import contextlib
import math
import re
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from yt8m.errors import InputError, one_line
from yt8m.progress import log
from yt8m.storage import exists, join, read_json, write_json

RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RUN_NAME = re.compile(r"yt8m(?:-[a-z]+)*-\d[\d-]*")
UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_ERROR = 2000
RECORD = "record"
"""Metadata of an artifact: the address of the record of the step that made it, in this run or in an earlier one."""


class Artifact(Protocol):
    """What a pipeline hands a step for each of its inputs and outputs."""

    uri: str
    path: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Record:
    """The record of a step that runs.

    Attributes:
        folder: of the run's records; None when the run is not known (a step that is called by hand).
        content: what is written.
    """

    folder: str | None
    content: dict[str, Any]

    @property
    def folders(self) -> tuple[str, ...]:
        """The folder, if there is one."""
        return (self.folder,) if self.folder else ()


def run_of(address: str) -> str | None:
    """The name of the run that an output's address belongs to: Kubeflow's run id, or the job's name elsewhere.

    Of names the last one counts: a bucket or a folder above may have one like a run's. Of ids the first after it:
    Kubeflow has another below the step.
    """
    parts = address.split("/")
    named = [place for place, part in enumerate(parts) if RUN_NAME.fullmatch(part)]
    below = parts[named[-1] + 1 :] if named else parts
    return next((part for part in below if RUN_ID.fullmatch(part)), parts[named[-1]] if named else None)


def run_name(job_name: str, job_id: str) -> str:
    """The name that `run_of` finds in the outputs of a job, from the placeholders of its name and id."""
    return job_id if RUN_ID.fullmatch(job_id) else job_name


def predict_step(partition: str, candidate: str) -> str:
    """What a prediction is called: there is one of the test set, by the winner, and one of each candidate."""
    return f"predict {partition}" if partition == "test" else f"predict {partition} {candidate}"


def run_folder(work_root: str, run: str) -> str:
    """Where a run's records and results lie."""
    return join(work_root, "runs", run)


@contextlib.contextmanager
def recorded(
    step: str,
    work_root: str,
    outputs: Sequence[Artifact],
    inputs: Sequence[Artifact] = (),
    *,
    kind: str = "data",
    run: str | None = None,
    spare: bool = False,
) -> Iterator[Record]:
    """Keep a record of what happens inside.

    Args:
        step: what the step is called in summaries, such as `train netvlad`.
        work_root: folder or gs:// address that outlives the run.
        outputs: of the step; the metadata that they have at the end are its results.
        inputs: of the step.
        kind: of machine (data, train, predict): what an hour costs.
        run: its name, where a step without outputs is told it (its result is then never reused).
        spare: let the steps that come after it do their work if this one cannot be done: a failure is recorded and told
            by the run's summary, which then fails the run, and the outputs are empty.
    """
    run = run or run_of(outputs[0].uri)
    folder = run_folder(work_root, run) if run and work_root else None
    record = Record(folder, {"step": step, "kind": kind, "status": "running", "started": _now()})
    if folder is None:
        yield record
        return
    address = join(folder, f"{UNFIT.sub('-', step)}.json")
    record.content.update({"attempt": _attempt(address), "inputs": [_described(artifact) for artifact in inputs]})
    write_json(address, record.content)
    started = time.monotonic()
    try:
        yield record
        for artifact in outputs:
            _leave_out_what_fails(artifact.metadata)
        record.content.update({"status": "succeeded", "results": _results(outputs), "bytes": sum(map(_size, outputs))})
        for artifact in outputs:
            artifact.metadata[RECORD] = address
    except BaseException as error:
        record.content.update(
            {"status": "failed", "error": _cause(error), "wrong_input": isinstance(error, InputError)}
        )
        if not spare or not isinstance(error, Exception):
            raise
        log(f"{step} could not be done: {record.content['error']}")
        for artifact in outputs:
            Path(artifact.path).touch()
    finally:
        seconds = round(time.monotonic() - started, 3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        write_json(address, {**record.content, "ended": _now(), "seconds": seconds, "peak_memory_bytes": peak})


def read_records(folder: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The records of those of the named steps that have one."""
    addresses = {name: join(folder, f"{UNFIT.sub('-', name)}.json") for name in names}
    return {name: read_json(address) for name, address in addresses.items() if exists(address)}


def records_behind(records: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The records, in earlier runs, of the steps whose results these steps reused, directly or not.

    Returns:
        By name of the step, each with `run`: the run that it is of.
    """
    found: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    waiting = list(records.values())
    while waiting:
        inputs = waiting.pop(0).get("inputs", [])
        for address in dict.fromkeys(entry.get(RECORD) for entry in inputs):
            if address and address not in seen and exists(address):
                seen.add(address)
                record = read_json(address)
                found.setdefault(record["step"], {**record, "run": address.split("/")[-2]})
                waiting.append(record)
    return {step: record for step, record in found.items() if step not in records}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _attempt(address: str) -> int:
    return int(read_json(address).get("attempt", 1)) + 1 if exists(address) else 1


def _described(artifact: Artifact) -> dict[str, Any]:
    made_by = {RECORD: artifact.metadata[RECORD]} if RECORD in artifact.metadata else {}
    return {"uri": artifact.uri, "fingerprint": artifact.metadata.get("fingerprint"), **made_by}


def _leave_out_what_fails(metadata: dict[str, Any]) -> None:
    """Take nulls out, at which Kubeflow fails the step (2.17.0, backend/src/v2/metadata/converter.go line 169), and
    numbers that are not finite, which are no JSON.
    """
    for key, value in list(metadata.items()):
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            del metadata[key]


def _results(outputs: Sequence[Artifact]) -> dict[str, Any]:
    return {key: value for artifact in outputs for key, value in artifact.metadata.items() if key != RECORD}


def _size(artifact: Artifact) -> int:
    path = Path(artifact.path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _cause(error: BaseException) -> str:
    """One line; of an error that is not the user's, its type as well."""
    text = one_line(error)[:LONGEST_ERROR]
    if isinstance(error, InputError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
