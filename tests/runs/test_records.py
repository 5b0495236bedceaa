"""A step's record: there from its start, complete at its end, and honest about failures and kills."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yt8m.errors import InputError
from yt8m.runs.records import RECORD, read_records, recorded, run_name, run_of

Artifact = Callable[..., Any]
RUN = "yt8m-2026-11-25-10-06-35-502722"
UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("address", "run"),
    [
        (f"minio://mlpipeline/v2/artifacts/yt8m/{UUID}/train/6ba7b810-9dad-11d1-80b4-00c04fd430c8/model", UUID),
        ("gs://bucket/root/123456/yt8m-20261125100635/train_-872/model", "yt8m-20261125100635"),
        (f"/home/me/build/run/kfp/{RUN}/train/model", RUN),
        ("/data/yt8m-reproduce-2026-11-25-10-00-00-000001/x/y", "yt8m-reproduce-2026-11-25-10-00-00-000001"),
        (f"gs://yt8m-2024/artifacts/yt8m/{UUID}/train/6ba7b810-9dad-11d1-80b4-00c04fd430c8/model", UUID),
        ("gs://yt8m-2024/artifacts/123456/yt8m-20261125100635/train_-872/model", "yt8m-20261125100635"),
        (f"/data/yt8m-2024/build/{UUID}/kfp/{RUN}/train/model", RUN),
        ("/data/yt8m/model", None),
        ("/data/yt8m-files/model", None),
    ],
)
def test_the_run_is_read_from_an_output_s_address(address: str, run: str | None) -> None:
    assert run_of(address) == run


def test_the_name_of_a_run_is_the_id_on_kubeflow_and_the_job_elsewhere() -> None:
    assert run_name("yt8m-x7k2p", UUID) == UUID
    assert run_name("yt8m-20261125100635", "8571") == "yt8m-20261125100635"
    assert run_name(RUN, "12345678") == RUN


def record_of(work: Path, step: str = "evaluate-netvlad") -> dict[str, Any]:
    return json.loads((work / "runs" / RUN / f"{step}.json").read_text())


def test_a_record_is_there_from_the_start_and_complete_at_the_end(tmp_path: Path, artifact: Artifact) -> None:
    metrics, predictions = artifact(size=0), artifact("predictions", fingerprint="abc")
    with recorded("evaluate netvlad", str(tmp_path / "work"), [metrics], [predictions], kind="data"):
        assert record_of(tmp_path / "work")["status"] == "running"
        Path(metrics.path).write_bytes(bytes(123))
        # Kubeflow fails a step for a null in metadata, and no JSON has numbers that are not finite
        metrics.metadata.update(gap=0.5, simulated=False, none=None, nan=float("nan"), high=float("inf"))
    record = record_of(tmp_path / "work")
    assert {key: record[key] for key in ("step", "kind", "status", "attempt", "results", "bytes", "inputs")} == {
        "step": "evaluate netvlad",
        "kind": "data",
        "status": "succeeded",
        "attempt": 1,
        "results": {"gap": 0.5, "simulated": False},
        "bytes": 123,
        "inputs": [{"uri": predictions.uri, "fingerprint": "abc"}],
    }
    assert metrics.metadata.keys() == {"gap", "simulated", RECORD}
    assert record["seconds"] >= 0
    assert record["peak_memory_bytes"] > 10_000_000
    assert record["ended"] >= record["started"]


@pytest.mark.parametrize(
    ("error", "cause", "wrong_input"),
    [
        (InputError("a.tfrecord: record 3\n is cut"), "a.tfrecord: record 3 is cut", True),
        (ValueError("no"), "ValueError: no", False),
        (KeyboardInterrupt(), "KeyboardInterrupt", False),
    ],
)
def test_a_failure_is_recorded_and_goes_on(
    tmp_path: Path, artifact: Artifact, error: BaseException, cause: str, wrong_input: bool
) -> None:
    for attempt in (1, 2):
        with pytest.raises(type(error)), recorded("evaluate netvlad", str(tmp_path), [artifact()]):
            raise error
        record = record_of(tmp_path)
        assert (record["status"], record["attempt"]) == ("failed", attempt)
        assert (record["error"], record["wrong_input"]) == (cause, wrong_input)


def test_a_killed_step_never_ended(tmp_path: Path, artifact: Artifact) -> None:
    script = (
        "import sys, time; from types import SimpleNamespace; from yt8m.runs.records import recorded\n"
        "out = SimpleNamespace(uri=sys.argv[2], path=sys.argv[2], metadata={})\n"
        "with recorded('evaluate netvlad', sys.argv[1], [out]):\n    print('in', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), artifact().uri], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"in\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    record = record_of(tmp_path)
    assert record["status"] == "running"
    assert "ended" not in record


def test_called_by_hand_nothing_is_recorded(tmp_path: Path, artifact: Artifact) -> None:
    with recorded("evaluate", str(tmp_path / "work"), [artifact(run="somewhere")]) as record:
        assert record.folders == ()
    with recorded("evaluate", "", [artifact()]):
        pass
    assert not (tmp_path / "work").exists()


def test_only_steps_with_a_record_are_read(tmp_path: Path, artifact: Artifact) -> None:
    with recorded("train a", str(tmp_path), [artifact()]):
        time.sleep(0.01)
    found = read_records(str(tmp_path / "runs" / RUN), ["train a", "train b"])
    assert list(found) == ["train a"]
    assert found["train a"]["seconds"] > 0.005


def test_a_step_that_may_fail_lets_what_follows_go_on(tmp_path: Path, artifact: Artifact) -> None:
    made = artifact()
    Path(made.path).unlink()
    with recorded("promote-model", str(tmp_path), [made], spare=True):
        raise InputError("no such bucket")
    record = record_of(tmp_path, "promote-model")
    assert (record["status"], record["error"], record["wrong_input"]) == ("failed", "no such bucket", True)
    assert Path(made.path).exists()
    with pytest.raises(KeyboardInterrupt), recorded("promote-model", str(tmp_path), [made], spare=True):
        raise KeyboardInterrupt


def test_what_a_step_made_says_where_its_record_is(tmp_path: Path, artifact: Artifact) -> None:
    made = artifact()
    with recorded("train a", str(tmp_path), [made]):
        made.metadata["gap"] = 0.5
    assert made.metadata["record"] == str(tmp_path / "runs" / RUN / "train-a.json")
    assert record_of(tmp_path, "train-a")["results"] == {"gap": 0.5}
    with recorded("evaluate a", str(tmp_path), [artifact("other")], [made]):
        pass
    assert record_of(tmp_path, "evaluate-a")["inputs"][0]["record"] == made.metadata["record"]
