"""What several tests share: the emulators of services, and the order of the files."""

import gc
import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.forks import Forks

gc.disable()  # until the tests are collected: their modules are garbage at no time, and looking for it takes 4 s

settings.register_profile("machine of any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("machine of any speed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kills N`: how often the tests that kill a command do so."""
    parser.addoption("--kills", type=int, default=8, help="how often the tests that kill a command do so")


LONG = ("end_to_end", "training", "paper", "models")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: `make test` deals out files, and must not end with one worker at a long one."""

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """A warm process in whose forks commands run that need TensorFlow."""
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


@pytest.fixture(scope="module")
def plain_steps() -> Iterator[None]:
    """Training steps and predictions as plain graphs, also in forks: for tests of what surrounds them."""
    from yt8m.training import engines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "XLA", False)
        yield


@pytest.fixture
def compiled_steps(plain_steps: None) -> Iterator[None]:
    """In a module that uses `plain_steps`, a test whose steps are compiled, as they are in use."""
    from yt8m.training import engines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "XLA", True)
        yield


EMULATOR = Path(__file__).parent / "emulators" / "gcs.py"
VERTEX_EMULATOR = EMULATOR.with_name("vertex.py")


class Emulator:
    """A running storage emulator with one bucket, `gs://bucket`."""

    def __init__(self, port: int):
        self.port = port
        self.host = f"http://127.0.0.1:{port}"

    def reset(self) -> None:
        """Forget everything but an empty bucket."""
        self.request("POST", "/_reset", {})
        self.request("POST", "/storage/v1/b", {"name": "bucket"})

    def request(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            return json.loads(connection.getresponse().read() or b"null")
        finally:
            connection.close()

    def fault(self, kind: str, method: str = "GET", path: str = r"/o\b", count: int = 1, seconds: float = 2.0) -> None:
        """The next `count` requests of this method whose address matches go wrong; `slow` ones take so long.

        Unless a path says otherwise, those about objects: the client looks at its bucket in a thread of its own, at any
        time (google-cloud-storage, _bucket_metadata_cache.py), and would meet what is meant for the call under test.
        """
        fault = {"kind": kind, "method": method, "path": path, "count": count, "seconds": seconds}
        self.request("POST", "/_faults", fault)

    def log(self) -> list[dict[str, Any]]:
        """The requests so far."""
        return list(self.request("GET", "/_log"))


@pytest.fixture(scope="session")
def gcs_process() -> Iterator[Emulator]:
    """The storage emulator in a process of its own."""
    process = subprocess.Popen([sys.executable, str(EMULATOR)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield Emulator(int(process.stdout.readline()))
    process.kill()
    process.wait()


@pytest.fixture
def gcs(gcs_process: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The emulator with an empty bucket, where google-cloud-storage finds it; waits between attempts are short."""
    from yt8m.storage import cloud, google_calls

    gcs_process.reset()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_process.host)
    monkeypatch.setattr(google_calls, "FIRST_WAIT_SECONDS", 0.01)
    cloud.client.cache_clear()
    yield gcs_process
    cloud.client.cache_clear()


class Vertex:
    """A running emulator of the Vertex AI Model Registry."""

    def __init__(self, port: int):
        self.endpoint = f"http://127.0.0.1:{port}"

    def request(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.endpoint + path, data), timeout=10) as answer:
                return 200, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def fault(self, kind: str, method: str, path: str = "", count: int = 1) -> None:
        self.request("/_faults", {"kind": kind, "method": method, "path": path, "count": count})

    def models(self) -> Any:
        return self.request("/_models")[1]

    def log(self) -> list[tuple[str, str, int]]:
        return [(entry["method"], entry["path"], entry["status"]) for entry in self.request("/_log")[1]]


@pytest.fixture(scope="module")
def vertex_process() -> Iterator[Vertex]:
    """The emulator in a process of its own, which takes seconds to start."""
    process = subprocess.Popen([sys.executable, str(VERTEX_EMULATOR)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield Vertex(int(process.stdout.readline()))
    process.kill()
    process.wait()


@pytest.fixture
def vertex(vertex_process: Vertex, gcs: Any) -> Vertex:
    """The emulator with nothing in it; it looks for SavedModels in the storage emulator."""
    vertex_process.request("/_reset", {"storage": gcs.host})
    return vertex_process
