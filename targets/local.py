"""Runs the pipeline on this machine by `kfp.local`: each step a subprocess or a container, a line on its start and end.

`kfp.local` prints everything that it and its steps say. Here that goes into a log file; what a person wants to see
goes to stderr. For that its subprocess handler is replaced by one of the same interface, which knows the step's name,
keeps its output apart from that of a step running beside it, finds the cause of a failure, and hands the step to a
runner: `SubprocessRunner` or `DockerRunner`, ours, not those of `kfp.local`.
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kfp import local
from kfp.dsl.base_component import BaseComponent
from kfp.local import subprocess_task_handler

from targets.docker_runner import DockerRunner
from targets.journal import Journal, StepFailed
from targets.quiet import quiet
from targets.steps import Runner, StepHandler
from targets.subprocess_runner import SubprocessRunner
from yt8m.errors import InputError
from yt8m.storage import is_remote, read_json, scratch_folder, write_json

RECORD = "run.json"


@dataclass(frozen=True)
class Request:
    """What a run is asked for.

    Attributes:
        arguments: parameters of the pipeline.
        jobs: how many candidates run at a time.
        images: names by kind (data, trainer), to run each step in a container; None to run each as a subprocess.
    """

    arguments: dict[str, Any]
    jobs: int
    images: Mapping[str, str] | None = None


def write_request(folder: Path, request: Request, state: str) -> None:
    """Record a run and its state: running, failed or finished."""
    write_json(folder / RECORD, {"state": state, **asdict(request)})


def read_request(folder: Path) -> Request:
    """The last run of a folder.

    Raises:
        InputError: there was none, or its record is damaged.
    """
    path = folder / RECORD
    if not path.exists():
        raise InputError(f"{folder}: no run was started here, so there is none to resume; "
                         "name its folder with --output, or run without --resume")  # fmt: skip
    content = read_json(path)
    try:
        return Request(content["arguments"], content["jobs"], content["images"])
    except KeyError as error:
        raise InputError(f"{path}: not the record of a run (no {error}); run without --resume") from error


LOG = "run.log"
LOCK = ".lock"
ARTIFACTS = "kfp"


@dataclass(frozen=True)
class LocalRun:
    """A finished run: its outputs by name as local paths, and how many steps ran and how many were reused."""

    outputs: dict[str, Path]
    executed: int
    reused: int


def run_locally(pipeline: BaseComponent, request: Request, folder: Path) -> LocalRun:
    """Run a pipeline on this machine; steps whose inputs have not changed since an earlier run are not repeated.

    Args:
        pipeline: the pipeline.
        request: its parameters, how many candidates run at a time, and whether steps are subprocesses or containers.
        folder: its `kfp` keeps artifacts and cache, its `run.log` gets all that the steps say, and its `run.json`
            the request.

    Raises:
        StepFailed: a step failed; when several did, the first.
        InputError: another run is at work in the folder, or docker cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        scratch_folder() as scratch,
        _alone(folder),
        (folder / LOG).open("w", buffering=1, encoding="utf-8", errors="backslashreplace") as file,
        _recorded(folder, request),
    ):
        journal = Journal(file, _titles(pipeline))
        runner = _runner(request, folder, str(scratch))
        with (
            contextlib.closing(runner), quiet(journal.log, journal.reuse), _own_handler(journal, runner),
            _stopping_steps(journal, runner),
        ):  # fmt: skip
            local.init(
                runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / ARTIFACTS),
                workspace_root=os.path.join(scratch, "workspace"), enable_caching=True,
            )  # fmt: skip
            try:
                outputs = pipeline(**request.arguments).outputs
            except RuntimeError as error:
                raise (journal.failures or [StepFailed("pipeline", str(error), False, file.name)])[0] from error
    paths = {name: Path(artifact.path) for name, artifact in outputs.items()}
    return LocalRun(paths, journal.executed, journal.reused)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; it is free again when this process ends, however it ends."""
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{folder}: another run is at work here; wait for it, or give another --output") from error
        yield


@contextlib.contextmanager
def _recorded(folder: Path, request: Request) -> Iterator[None]:
    write_request(folder, request, "running")
    try:
        yield
    except BaseException:
        write_request(folder, request, "failed")
        raise
    write_request(folder, request, "finished")


def _runner(request: Request, folder: Path, scratch: str) -> Runner:
    if request.images is None:
        return SubprocessRunner(scratch, request.jobs)
    writable = [str(folder / ARTIFACTS)]
    work_root = request.arguments.get("work_root")
    if work_root and not is_remote(work_root):
        writable.append(work_root)
    return DockerRunner(folder, writable, request.arguments, scratch, request.jobs)


def _titles(pipeline: BaseComponent) -> dict[str, str]:
    """Names of components (without `comp-`) and of tasks -> display names."""
    titles = {}
    specification = pipeline.pipeline_spec
    for dag in [specification.root, *specification.components.values()]:
        for name, task in dag.dag.tasks.items():
            title = task.task_info.name or name
            titles[name] = titles[task.component_ref.name.removeprefix("comp-")] = title
    return titles


@contextlib.contextmanager
def _own_handler(journal: Journal, runner: Runner) -> Iterator[None]:
    def handler(image: str, full_command: list[str], env_vars: Any = None, **_ignored: Any) -> StepHandler:
        return StepHandler(journal, runner, image, full_command, env_vars)

    kept = subprocess_task_handler.SubprocessTaskHandler
    subprocess_task_handler.SubprocessTaskHandler = handler
    try:
        yield
    finally:
        subprocess_task_handler.SubprocessTaskHandler = kept


@contextlib.contextmanager
def _stopping_steps(journal: Journal, runner: Runner) -> Iterator[None]:
    """On an interrupt or a termination, stop the steps as well; they then end as a failure does."""

    def stop(_number: int, _frame: Any) -> None:
        journal.stopped = True
        runner.stop()
        raise KeyboardInterrupt

    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
