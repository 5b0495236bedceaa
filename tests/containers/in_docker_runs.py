"""The whole pipeline with each step in a container of its image."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from targets.docker_runner import ANYBODY, FOLDER_LABEL, STEP_LABEL
from tests.containers.conftest import IMAGES, command, left_over, run
from yt8m.data.records.tfrecord import RecordWriter, iterate

SAMPLE_CANDIDATES = """
- {name: netvlad, preset: netvlad-small, overrides: {epochs: 2}}
- {name: logistic, preset: logistic, overrides: {level: frame, epochs: 4}}
"""
OURS = ANYBODY if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


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
        "train": 1787, "validate": 566, "test": 310,
    }  # fmt: skip
    with (folder / "submission.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["VideoId"] for row in rows}) == 310
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
        trains = title.startswith(("train ", "predict ", "promote-model"))
        assert kinds[image] == ("trainer" if trains else "data"), title
    assert {"train netvlad", "train logistic", "predict test", "rebalance", "write-submission"} <= {r[0] for r in ran}
    owner = int(OURS.split(":")[0])
    made = [path for name in ("kfp", "work") for path in (folder / name).rglob("*") if ".cache" not in str(path)]
    assert {path.stat().st_uid for path in made if path.is_file() and "model.weights" in path.name} == {owner}


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
    assert made_by(folder) == made_by(source / "subprocess")


def made_by(run: Path) -> tuple[bytes, list[bytes], str]:
    """Submission, weights, and a page but for the version of Python, which is Debian's in the image."""
    weights = [path.read_bytes() for path in (run / "work" / "models").glob("*/model/model.weights.h5")]
    assert len(weights) == 1
    page = (run / "statistics.html").read_text()
    return (run / "submission.csv").read_bytes(), weights, re.sub(r"(<dt>Python</dt><dd>)[\d.]+", r"\1", page)


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


def test_a_leaked_video_id_stops_the_run_before_training(source: Path, settings: Path, tmp_path: Path) -> None:
    shutil.copytree(source / "frames", tmp_path / "frames")
    (learned,) = (tmp_path / "frames" / "train").glob("*.tfrecord")
    with RecordWriter(tmp_path / "frames" / "test" / "leak.tfrecord") as writer:
        writer.write(bytes(next(iterate(learned))[1]))
    done = run(tmp_path / "run", "--source", tmp_path / "frames", "--candidates", source / "candidates.yaml",
               "--runner", "docker", "--settings", settings)  # fmt: skip
    assert done.returncode == 2
    assert "step validate-data failed: " in done.stderr
    assert "leaked_ids is 1, at most 0 is allowed; train and test: 1 (" in done.stderr
    assert "train short" not in done.stderr


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
