"""Steps made to fail are reported as failed; a training that is killed continues to the same bits."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from targets.docker_runner import FOLDER_LABEL
from targets.journal import StepFailed
from tests.containers.conftest import IMAGES, left_over, run_step
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.records.build import build_index


def misbehave(how: str, made: dsl.Output[dsl.Dataset]) -> None:
    import os
    import signal

    from yt8m.errors import InputError

    if how == "wrong input":
        raise InputError("a.tfrecord: no such file; check the path")
    if how == "defect":
        raise ZeroDivisionError("of a defect")
    if how == "quits":
        raise SystemExit(3)
    if how == "quits at once":
        os._exit(4)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "writes to its root":
        os.mkdir("/opt/yt8m/own")
    if how == "opens a connection":
        import socket

        socket.create_connection(("192.0.2.1", 80), timeout=5)
    open(made.path, "w").close()


@pytest.mark.parametrize(
    ("how", "cause", "wrong_input"),
    [
        ("wrong input", "a.tfrecord: no such file; check the path", True),
        ("defect", "ZeroDivisionError: of a defect", False),
        ("quits", "exit code 3", False),
        ("quits at once", "exit code 4", False),
        ("killed", "it was killed, most likely for want of memory", False),
        ("writes to its root", "OSError: [Errno 30] Read-only file system: '/opt/yt8m/own'", False),
        ("opens a connection", "OSError: [Errno 101] Network is unreachable", False),
    ],
)
def test_a_step_that_fails_is_reported_as_failed(
    client: Any, tmp_path: Path, how: str, cause: str, wrong_input: bool
) -> None:
    with pytest.raises(StepFailed) as failure:
        run_step(IMAGES["data"], misbehave, tmp_path / "run", how=how)
    assert (failure.value.title, failure.value.cause, failure.value.wrong_input) == ("misbehave", cause, wrong_input)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"
    assert left_over(client, tmp_path / "run") == []


def test_an_image_that_cannot_run_a_step_is_reported_as_failed(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="No such image"):
        run_step("sha256:" + "0" * 64, misbehave, tmp_path / "run", how="well")


def test_what_an_earlier_run_left_is_removed(client: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    client.containers.run(IMAGES["data"], entrypoint=["sleep", "600"], detach=True, network_mode="none",
                          labels={FOLDER_LABEL: str(folder)})  # fmt: skip
    assert len(left_over(client, folder)) == 1
    run_step(IMAGES["data"], misbehave, folder, how="well")
    assert left_over(client, folder) == []


def train(inputs: str, work_root: str, made: dsl.Output[dsl.Dataset]) -> None:
    from yt8m.training.train import train

    overrides = {"level": "frame", "epochs": 100, "batch_size": 32, "validate_every": 50}
    data = f"{inputs}/set.parquet", f"{inputs}/validate.parquet"
    train(*data, "logistic", f"{work_root}/trained", overrides=overrides, checkpoint_minutes=0.005)
    open(made.path, "w").close()


def test_a_training_container_killed_in_mid_run_continues_to_the_same_bits(
    client: Any, source: Path, tmp_path: Path
) -> None:
    for partition in ("train", "validate"):
        build_index([str(source / "frames" / partition)], tmp_path / "in" / f"{partition}.parquet")
    build_training_set(tmp_path / "in" / "train.parquet", "all", tmp_path / "in" / "set.parquet", seed=0)

    def weights(name: str) -> bytes:
        folder, work_root = tmp_path / name, str(tmp_path / name / "work")
        seen = {"work_root": work_root, "reads": str(source / "frames"), "inputs": str(tmp_path / "in")}
        run_step(IMAGES["trainer"], train, folder, seen, inputs=str(tmp_path / "in"), work_root=work_root)
        return (folder / "work" / "trained" / "model" / "model.weights.h5").read_bytes()

    straight = weights("straight")
    killer = subprocess.Popen([sys.executable, "-c", KILLER, str(tmp_path / "killed")], stderr=subprocess.PIPE)
    assert weights("killed") == straight
    assert killer.wait(10) == 0
    log = (tmp_path / "killed" / "run.log").read_text()
    assert "train: killed from outside; attempt 2 of 3" in log
    continued = re.search(r"training continues at step (\d+)", log)
    assert continued
    assert 0 < int(continued[1]) < 300


KILLER = """
# waits for a checkpoint of a step (before the first, the pointer names none), and a little longer, for steps after it
import json, pathlib, subprocess, sys, time

folder = pathlib.Path(sys.argv[1])
pointer = folder / "work" / "trained" / "checkpoint" / "checkpoint.json"
while not (pointer.exists() and json.loads(pointer.read_text())["file"]):
    time.sleep(0.02)
time.sleep(0.3)
command = ["docker", "ps", "--quiet", "--filter", f"label=yt8m.run-folder={folder}"]
(container,) = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
subprocess.run(["docker", "kill", "-s", "KILL", container], check=True, stdout=subprocess.DEVNULL)
"""
