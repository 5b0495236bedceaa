"""What several tests share: the storage emulator."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("machine of any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("machine of any speed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kills N`: how often the tests that kill a command do so."""
    parser.addoption("--kills", type=int, default=20, help="how often the tests that kill a command do so")


EMULATOR = Path(__file__).parent / "emulators" / "gcs.py"


class Emulator:
    """A running storage emulator with one bucket, `gs://bucket`."""

    def __init__(self, port: int):
        self.port = port
        self.host = f"http://127.0.0.1:{port}"
        self.request("POST", "/storage/v1/b", {"name": "bucket"})

    def request(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            return json.loads(connection.getresponse().read() or b"null")
        finally:
            connection.close()

    def fault(self, kind: str, method: str = "GET", path: str = "", count: int = 1) -> None:
        """The next `count` requests of this method whose address matches go wrong."""
        self.request("POST", "/_faults", {"kind": kind, "method": method, "path": path, "count": count})

    def log(self) -> list[dict[str, Any]]:
        """The requests so far."""
        return list(self.request("GET", "/_log"))


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A storage emulator in a process of its own; google-cloud-storage finds it by its environment variable."""
    from yt8m.storage import cloud

    process = subprocess.Popen([sys.executable, str(EMULATOR)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    emulator = Emulator(int(process.stdout.readline()))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.host)
    cloud.client.cache_clear()
    yield emulator
    process.kill()
    process.wait()
    cloud.client.cache_clear()
