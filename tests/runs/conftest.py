"""Artifacts as a pipeline hands them to a step."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

RUN = "yt8m-2026-11-25-10-06-35-502722"
Artifact = Callable[..., Any]


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """Makes the output `name` of a task of the run, with some bytes."""

    def make(name: str = "metrics", run: str = RUN, size: int = 10, **metadata: Any) -> SimpleNamespace:
        path = tmp_path / "kfp" / run / "evaluate" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        return SimpleNamespace(uri=str(path), path=str(path), metadata=dict(metadata))

    return make
