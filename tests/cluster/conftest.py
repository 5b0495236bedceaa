"""The acceptance on a real Kubeflow backend; `make test-cluster HOST=...` runs it, and docs/kubernetes.md says on what.

Its file is named on_cluster.py, so that neither `make test` nor `make test-long` takes it. What each check took, and
what a step costs beyond its own work, stands in a table at the end.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.backend import Backend
from yt8m.data.records.simulate import simulate

SAMPLE = Path(__file__).parents[2] / "sample"
FRAMES = 16
LAST_SHARD = "validate0005"
FIGURES: list[tuple[str, str]] = []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What each check took, with the fixtures that it was the first to ask for."""
    seconds: Counter[str] = Counter()
    results: dict[str, str] = {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports if outcome in ("passed", "failed", "skipped", "") else []:
            if "tests/cluster/" not in report.nodeid:
                continue
            name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            seconds[name] += report.duration
            results[name] = outcome or results.get(name, "")
    if not results:
        return
    terminalreporter.section("what each check took")
    for name, outcome in results.items():
        terminalreporter.write_line(f"{outcome:7} {seconds[name]:6.0f} s  {name}")
    for name, value in FIGURES:
        terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """The installation that the environment names, with the sample's frames on its volume."""
    registry, tag = os.environ.get("REGISTRY", ""), os.environ.get("TAG", "dev")
    images = {kind: f"{registry}/{kind}:{tag}" if registry else f"yt8m-{kind}:{tag}" for kind in ("data", "trainer")}
    opened = Backend(os.environ["HOST"], os.environ.get("NAMESPACE") or "kubeflow", images,
                     os.environ.get("CLAIM") or "yt8m", tmp_path_factory.mktemp("acceptance"))  # fmt: skip
    frames = tmp_path_factory.mktemp("frames")
    opened.open()
    for partition in ("train", "validate", "test"):
        shards = sorted(str(path) for path in (SAMPLE / partition).glob("*.tfrecord"))
        made = frames / partition
        simulate([path for path in shards if LAST_SHARD not in path], made, max_frames=FRAMES)
        opened.put(made, partition)
        if last := [path for path in shards if LAST_SHARD in path]:
            simulate(last, frames / "later", max_frames=FRAMES)
            opened.put(frames / "later", "later")
    opened.put(SAMPLE / "vocabulary.csv", ".")
    yield opened
    opened.close()
