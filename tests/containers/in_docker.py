"""Images, and the pipeline in them, under a real docker daemon; `make test-containers` builds them and runs this."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from kfp import dsl

from targets.docker_runner import ANYBODY, FOLDER_LABEL, STEP_LABEL
from targets.journal import StepFailed
from targets.local import LocalRun, run_locally
from targets.run_record import Request
from yt8m.rebalance.build import build_training_set
from yt8m.records.build import build_index
from yt8m.records.simulate import simulate
from yt8m.records.tfrecord import RecordWriter, iterate

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample"
IMAGES = {"data": "yt8m-data:test", "trainer": "yt8m-trainer:test"}
SAMPLE_CANDIDATES = """
- {name: netvlad, preset: netvlad-small, overrides: {epochs: 2}}
- {name: logistic, preset: logistic, overrides: {level: frame, epochs: 4}}
"""
SLICES = {"train": 96, "validate": 48, "test": 24}
SLICE_CANDIDATES = "[{name: short, preset: logistic, overrides: {level: frame, epochs: 2, batch_size: 32}}]"
AS_A_CLUSTER = ("--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL", "--user", "12345:12345")
OURS = ANYBODY if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's settings with the images under test in profile dev."""
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    text = (ROOT / "settings.yaml").read_text()
    path.write_text(text.replace("yt8m-data:dev", IMAGES["data"]).replace("yt8m-trainer:dev", IMAGES["trainer"]))
    return path


def command(output: Path, *options: object) -> list[str]:
    return [sys.executable, str(ROOT / "pipeline.py"), "run", "--output", str(output), *map(str, options)]


def run(output: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(output, *options), capture_output=True, text=True, timeout=900, check=False)


def left_over(client: Any, folder: Path) -> list[Any]:
    return list(client.containers.list(all=True, filters={"label": f"{FOLDER_LABEL}={folder}"}))


def in_image(kind: str, *arguments: object, options: tuple[str, ...] = AS_A_CLUSTER) -> str:
    done = subprocess.run(["docker", "run", "--rm", *options, IMAGES[kind], *map(str, arguments)],
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# The images


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_says_what_it_is_and_runs_without_root(client: Any, kind: str) -> None:
    configuration = client.images.get(IMAGES[kind]).attrs["Config"]
    assert configuration["User"] == "1000:1000"
    assert configuration["Entrypoint"] == ["yt8m"]
    assert configuration["Healthcheck"]["Test"] == ["CMD", "yt8m", "--version"]
    labels = configuration["Labels"]
    assert labels["org.opencontainers.image.title"] == f"yt8m-{kind}"
    assert labels["org.opencontainers.image.base.name"] == "yt8m-base"
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["org.opencontainers.image.revision"])
    assert in_image(kind, "--version") == f"yt8m {labels['org.opencontainers.image.version']}\n"


def test_the_data_image_has_no_framework_and_neither_has_an_installer() -> None:
    script = "import importlib.util as u; print([m for m in {} if u.find_spec(m)])"
    modules = ["tensorflow", "keras", "pip", "pyarrow"]
    shell = (*AS_A_CLUSTER, "--entrypoint", "python3")
    assert in_image("data", "-c", script.format(modules), options=shell) == "['pyarrow']\n"
    assert in_image("trainer", "-c", script.format(modules), options=shell) == "['tensorflow', 'keras', 'pyarrow']\n"


def test_a_command_writes_to_a_mounted_folder_as_any_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    mounts = ("--volume", f"{SAMPLE}:/sample:ro", "--volume", f"{tmp_path}:/out")
    made = in_image("data", "index", "/sample/train", "-o", "/out/i.parquet", "--json", options=AS_A_CLUSTER + mounts)
    assert json.loads(made)["videos"] == 1787
    assert (tmp_path / "i.parquet").stat().st_uid == 12345


# The pipeline


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory: pytest.TempPathFactory, settings: Path) -> tuple[Path, str]:
    """The whole sample through the pipeline: the run's folder, and what it printed."""
    root = tmp_path_factory.mktemp("sample")
    (root / "candidates.yaml").write_text(SAMPLE_CANDIDATES)
    done = run(root / "run", "--runner", "docker", "--settings", settings, "--max-frames", 16,
               "--candidates", root / "candidates.yaml")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / "run", done.stdout + done.stderr


def test_the_sample_is_trained_explained_and_submitted(client: Any, sample_run: tuple[Path, str]) -> None:
    folder, printed = sample_run
    summary = json.loads((folder / "summary.json").read_text())
    assert {row["name"] for row in summary["candidates"]} == {"netvlad", "logistic"}
    assert all(row["gap"] > 0.3 for row in summary["candidates"])
    assert {name: part["videos"] for name, part in summary["partitions"].items()} == {
        "train": 1787, "validate": 566, "test": 283,
    }  # fmt: skip
    with (folder / "submission.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["VideoId"] for row in rows}) == 283
    assert all(len(row["LabelConfidencePairs"].split()) == 40 for row in rows)
    assert "<html" in (folder / "report.html").read_text()
    assert re.search(r"train netvlad: [\d.]+ s, [\d.]+ GB", printed), "memory is measured"
    assert left_over(client, folder) == []


def test_each_step_ran_in_its_image_and_not_as_root(client: Any, sample_run: tuple[Path, str]) -> None:
    folder, _ = sample_run
    ran = re.findall(r"\[(.+?)\] in a container of (\S+) as user (\S+)", (folder / "run.log").read_text())
    assert {user for _, _, user in ran} == {OURS}
    kinds = {client.images.get(name).id: kind for kind, name in IMAGES.items()}
    for title, image, _ in ran:
        assert kinds[image] == ("trainer" if title.startswith(("train ", "predict ")) else "data"), title
    assert {"train netvlad", "train logistic", "predict test", "rebalance", "write-submission"} <= {r[0] for r in ran}
    owner = int(OURS.split(":")[0])
    made = [path for name in ("kfp", "work") for path in (folder / name).rglob("*") if ".cache" not in str(path)]
    assert {path.stat().st_uid for path in made if path.is_file() and "model.weights" in path.name} == {owner}


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def slice_run(source: Path, settings: Path) -> tuple[Path, list[object]]:
    """A finished run of the slice, and its options."""
    options: list[object] = ["--source", source / "frames", "--candidates", source / "candidates.yaml"]
    options += ["--runner", "docker", "--settings", settings]
    done = run(source / "run", *options)
    assert done.returncode == 0, done.stderr
    return source / "run", options


def test_containers_and_subprocesses_give_the_same_bytes(source: Path, slice_run: tuple[Path, list[object]]) -> None:
    folder, options = slice_run
    done = run(source / "subprocess", *options[:4])
    assert done.returncode == 0, done.stderr
    for name in ("submission.csv", "statistics.html"):
        assert (folder / name).read_bytes() == (source / "subprocess" / name).read_bytes(), name


def test_a_damaged_shard_is_one_line_and_mended_it_resumes(source: Path, slice_run: tuple[Path, list[object]]) -> None:
    folder, options = slice_run
    (shard,) = (source / "frames" / "test").glob("*.tfrecord")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1000])
    try:
        broken = run(folder, *options)
    finally:
        shard.write_bytes(whole)
    assert broken.returncode == 2
    failure, _, hint = broken.stderr.splitlines()[-3:]
    assert failure.startswith("pipeline.py: error: step index-videos test failed: ")
    assert "record 23" in failure
    assert hint.endswith(f"python pipeline.py run --resume --output {folder}")
    resumed = run(folder, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "were not repeated: nothing that they depend on has changed" in resumed.stdout
    assert not re.search(r"train short(:| \.\.\.)(?! unchanged)", resumed.stderr)


def test_an_image_that_is_not_here_is_one_line(source: Path, settings: Path, slice_run: Any) -> None:
    other = settings.with_name("other.yaml")
    other.write_text(settings.read_text().replace(IMAGES["data"], "yt8m-data:no-such-tag"))
    done = run(source / "none", *slice_run[1][:6], "--settings", other)
    assert done.returncode == 2
    assert "there is no image yt8m-data:no-such-tag on this machine; `make images` builds it" in done.stderr
    assert not (source / "none").exists()


def wait_for(found: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not found() and time.monotonic() < end:
        time.sleep(0.05)
    return found()


def test_an_interrupt_stops_the_containers_at_once(client: Any, source: Path, slice_run: Any) -> None:
    folder = source / "interrupted"
    process = subprocess.Popen(command(folder, *slice_run[1]), stderr=subprocess.PIPE, text=True)
    try:
        running = {"label": [f"{FOLDER_LABEL}={folder}", f"{STEP_LABEL}=train short"]}
        assert wait_for(lambda: client.containers.list(filters=running))
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert time.monotonic() - started < 9, "it did not wait for docker to lose patience"
    assert said.splitlines()[-1].startswith("pipeline.py: interrupted; to continue")
    assert left_over(client, folder) == []


# Steps made to fail


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


def run_step(
    image: str, step: Callable[..., Any], folder: Path, seen: dict[str, str] | None = None, **arguments: Any
) -> LocalRun:
    """A pipeline of one component; its containers see the folders that it is given."""
    component = dsl.component(step, base_image=image, install_kfp_package=False)

    @dsl.pipeline(name="one-step")
    def one_step(work_root: str = "", reads: str = "", inputs: str = "") -> None:
        component(**arguments)

    return run_locally(one_step, Request(seen or {}, jobs=1, images=IMAGES), folder)


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


# A training that is killed


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
# waits for a checkpoint, and a little longer, so that there are steps after it
import pathlib, subprocess, sys, time

folder = pathlib.Path(sys.argv[1])
while not (folder / "work" / "trained" / "checkpoint" / "checkpoint.json").exists():
    time.sleep(0.02)
time.sleep(0.3)
command = ["docker", "ps", "--quiet", "--filter", f"label=yt8m.run-folder={folder}"]
(container,) = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
subprocess.run(["docker", "kill", "-s", "KILL", container], check=True, stdout=subprocess.DEVNULL)
"""
