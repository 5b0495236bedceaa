"""Emulated clusters: each a process of its own, empty at the start of each test; and what is sent to them."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import pipeline
from targets import remote, submission
from targets.cluster import Target
from targets.compilation import CANDIDATES, SETTINGS, MakePipeline, compile_for
from targets.kubeflow import Kubeflow, KubeflowPlace
from targets.remote import Job, Service
from targets.settings import Profile, load_profile
from targets.vertex import Vertex, VertexPlace

EMULATORS = Path(__file__).parents[1] / "emulators"
PARENT = "projects/tagging/locations/europe-west4"
SOURCES = {
    "train_source": "gs://bucket/train", "validation_source": "gs://bucket/validate", "test_source": "gs://bucket/test",
    "work_root": "gs://bucket/work",
}  # fmt: skip


class Cluster:
    """A running emulator of a pipeline service.

    Attributes:
        target: kfp or vertex.
        address: of its API.
        options: that lead the command line to it.
        runs, schedules: where its API keeps them.
    """

    def __init__(self, target: str, port: int):
        self.target, self.address = target, f"http://127.0.0.1:{port}"
        if target == "kfp":
            self.options = ["--target", "kfp", "--host", self.address]
            self.runs, self.schedules = "/apis/v2beta1/runs", "/apis/v2beta1/recurringruns"
        else:
            self.options = ["--target", "vertex", "--project", "tagging", "--region", "europe-west4",
                            "--staging-bucket", "gs://bucket", "--endpoint", self.address]  # fmt: skip
            self.runs, self.schedules = f"/v1/{PARENT}/pipelineJobs", f"/v1/{PARENT}/schedules"

    def request(self, path: str, body: Any = None, method: str | None = None, token: str = "") -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            asked = urllib.request.Request(self.address + path, data, headers, method=method)
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return 200, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def reset(self, token: str = "") -> None:
        self.request("/_reset", {"token": token})

    def fault(self, kind: str, method: str, path: str = "", count: int = 1) -> None:
        self.request("/_faults", {"kind": kind, "method": method, "path": path, "count": count})

    def script(self, **how: str) -> None:
        """How runs that start from now on end."""
        self.request("/_script", how)

    def tick(self) -> list[Any]:
        """The moment of every schedule has come; the runs that it starts."""
        return list(self.request("/_tick", {})[1])

    def log(self) -> list[tuple[str, str, int]]:
        return [(entry["method"], entry["path"], entry["status"]) for entry in self.request("/_log")[1]]

    def done(self, method: str, path: str) -> int:
        """How many requests came and were carried out, answered or not."""
        return sum(m == method and p == path and status in {0, 200} for m, p, status in self.log())

    def service(self, **options: Any) -> Service:
        if self.target == "kfp":
            return Kubeflow(KubeflowPlace(self.address), options.get("token"))
        return Vertex(VertexPlace("tagging", "europe-west4", "gs://bucket", self.address), options.get("token"))


@pytest.fixture(scope="session")
def processes() -> Iterator[dict[str, Cluster]]:
    """Both emulators, started together: each takes seconds."""
    files = {"kfp": "kubeflow.py", "vertex": "vertex_pipelines.py"}
    started = {
        target: subprocess.Popen([sys.executable, str(EMULATORS / file)], stdout=subprocess.PIPE, text=True)
        for target, file in files.items()
    }
    yield {target: Cluster(target, int(process.stdout.readline())) for target, process in started.items()}  # type: ignore[union-attr]
    for process in started.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def compiled() -> dict[str, str]:
    """Compiled files by all that decides them."""
    return {}


@pytest.fixture(params=["kfp", "vertex"])
def cluster(request: pytest.FixtureRequest, processes: dict[str, Cluster], gcs: Any, compiled: dict[str, str],
            monkeypatch: pytest.MonkeyPatch) -> Cluster:  # fmt: skip
    """Either target, with nothing in it; waits between attempts are short, and so is reading YAML by the clients.

    What is sent is compiled once: `test_compilation` and `test_pipeline` are about compiling.
    """

    def compile_once(
        target: Target, profile: Profile, candidates: list[dict[str, Any]], path: Path, make_pipeline: MakePipeline
    ) -> None:
        key = repr((target, profile, candidates, make_pipeline))
        if key not in compiled:
            compile_for(target, profile, candidates, path, make_pipeline)
            compiled[key] = path.read_text("utf-8")
        path.write_text(compiled[key], "utf-8")

    monkeypatch.setattr(submission, "compile_for", compile_once)
    monkeypatch.setattr(yaml, "SafeLoader", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    monkeypatch.setattr(remote, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.delenv("YT8M_TOKEN", raising=False)
    processes[request.param].reset()
    return processes[request.param]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The compiled file of profile dev for each target."""
    folder = tmp_path_factory.mktemp("packages")
    paths = {target: folder / f"yt8m-{target}.yaml" for target in ("kfp", "vertex")}
    for target, path in paths.items():
        compile_for(target, load_profile(SETTINGS, "dev"), CANDIDATES, path, pipeline.make_pipeline)  # type: ignore[arg-type]
    return paths


@pytest.fixture
def job(cluster: Cluster, packages: dict[str, Path]) -> Job:
    return Job("yt8m-one", packages[cluster.target], {**SOURCES, "seed": 3}, 16 * "a", "runner@tagging")


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Options that give the sources and the work root."""
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.dump(SOURCES))
    return ["--parameters", str(path)]
