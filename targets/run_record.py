"""What a local run was asked for, kept in its output folder, so that `--resume` asks for the same again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yt8m.errors import InputError
from yt8m.storage import read_json, write_json

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
