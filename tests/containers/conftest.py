"""What the tests under a real docker daemon share; `make test-containers` builds the images and runs them.

Their files are named in_docker_*.py, so that `make test` leaves them out.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from kfp import dsl

from targets.docker_runner import FOLDER_LABEL
from targets.local import LocalRun, Request, run_locally
from yt8m.data.records.simulate import simulate
from yt8m.data.records.tfrecord import RecordWriter, iterate

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample"
IMAGES = {"data": "yt8m-data:test", "trainer": "yt8m-trainer:test"}
SLICES = {"train": 96, "validate": 48, "test": 24}
SLICE_CANDIDATES = "[{name: short, preset: logistic, overrides: {level: frame, epochs: 2, batch_size: 32}}]"


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's settings with the images under test in profile dev."""
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    text = (ROOT / "settings.yaml").read_text()
    path.write_text(text.replace("yt8m-data:dev", IMAGES["data"]).replace("yt8m-trainer:dev", IMAGES["trainer"]))
    return path


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few videos of each partition, as frame-level records of up to five frames."""
    root = tmp_path_factory.mktemp("slice")
    for partition, videos in SLICES.items():
        shard = next((SAMPLE / partition).glob("*.tfrecord"))
        few = root / "video" / f"{partition}00.tfrecord"
        few.parent.mkdir(exist_ok=True)
        with RecordWriter(few) as writer:
            for (_, payload), _ in zip(iterate(shard), range(videos), strict=False):
                writer.write(bytes(payload))
        simulate([str(few)], root / "frames" / partition, max_frames=5)
    (root / "candidates.yaml").write_text(SLICE_CANDIDATES)
    return root


def command(output: Path, *options: object) -> list[str]:
    return [sys.executable, str(ROOT / "pipeline.py"), "run", "--output", str(output), *map(str, options)]


def run(output: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(output, *options), capture_output=True, text=True, timeout=900, check=False)


def left_over(client: Any, folder: Path) -> list[Any]:
    return list(client.containers.list(all=True, filters={"label": f"{FOLDER_LABEL}={folder}"}))


def run_step(
    image: str, step: Callable[..., Any], folder: Path, seen: dict[str, str] | None = None, **arguments: Any
) -> LocalRun:
    """A pipeline of one component; its containers see the folders that it is given."""
    component = dsl.component(step, base_image=image, install_kfp_package=False)

    @dsl.pipeline(name="one-step")
    def one_step(work_root: str = "", reads: str = "", inputs: str = "") -> None:
        component(**arguments)

    return run_locally(one_step, Request(seen or {}, jobs=1, images=IMAGES), folder)
