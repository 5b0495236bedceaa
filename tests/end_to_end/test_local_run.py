"""The whole pipeline by `pipeline.py run` on a tiny slice of the sample: each step a process, through kfp.local."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from yt8m.data.records.build import build_index
from yt8m.data.records.features import decode_context
from yt8m.data.records.simulate import simulate
from yt8m.data.records.tfrecord import RecordWriter, iterate

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample"
SLICES = {
    "train": ("train/validate0000.tfrecord", 96),
    "validate": ("validate/validate0050.tfrecord", 48),
    "test": ("test/test0100.tfrecord", 24),
}
OF_A_RUN = ("run.log", "run.json", "summary.json", "summary.html")  # what each run writes anew
CANDIDATES = """
- name: short
  preset: logistic
  overrides: {level: frame, epochs: 1, batch_size: 32, saved_model: false}
- name: long
  preset: logistic
  overrides: {level: frame, epochs: 3, batch_size: 32}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few videos of each partition, as frame-level records of up to five frames, named as official shards are."""
    root = tmp_path_factory.mktemp("slice")
    for partition, (shard, videos) in SLICES.items():
        few = root / "video" / f"{partition}00.tfrecord"
        few.parent.mkdir(exist_ok=True)
        with RecordWriter(few) as writer:
            for (_, payload), _ in zip(iterate(SAMPLE / shard), range(videos), strict=False):
                writer.write(bytes(payload))
        simulate([str(few)], root / "frames" / partition, max_frames=5)
    (root / "candidates.yaml").write_text(CANDIDATES)
    copy_checkout(root / "checkout")
    return root


def copy_checkout(folder: Path) -> None:
    """What a run needs of the project, where nobody edits it meanwhile (changed code would rightly run again).

    Its trainings run as plain graphs: of so few steps, most of the time would be compilation.
    """
    ignored = shutil.ignore_patterns("*.pyc.*")  # what other processes are writing
    for name in ("yt8m", "components", "targets"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    engines = folder / "yt8m" / "training" / "engines" / "__init__.py"
    assert "\nXLA = True\n" in engines.read_text()
    engines.write_text(engines.read_text().replace("\nXLA = True\n", "\nXLA = False\n"))
    (folder / "sample").mkdir()
    for name in ("pipeline.py", "settings.yaml", "sample/vocabulary.csv"):
        shutil.copyfile(ROOT / name, folder / name)


def run(source: Path, output: Path, *how: str) -> subprocess.CompletedProcess[str]:
    inputs = ["--source", str(source / "frames"), "--candidates", str(source / "candidates.yaml")]
    command = [sys.executable, str(source / "checkout" / "pipeline.py"), "run", *(how or inputs),
               "--output", str(output)]  # fmt: skip
    return subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def finished(source: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    output = source / "build" / "run"
    done = run(source, output)
    assert done.returncode == 0, done.stderr
    return output, done


def test_a_run_ends_with_a_table_and_files(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    output, done = finished
    summary = json.loads((output / "summary.json").read_text())
    assert {row["name"] for row in summary["candidates"]} == {"short", "long"}
    for row in summary["candidates"]:
        assert set(row) == {"name", "gap", "map_rare", "hit_at_1", "size_mb", "seconds"}
        assert f"{row['gap']:.4f}" in done.stdout
        assert re.search(rf"train {row['name']}: [\d.]+ s", done.stderr)
    gaps = summary["selection"]["gaps"]
    assert gaps[summary["selected"]] == max(gaps.values())
    assert summary["simulated"] is True
    assert {name: part["videos"] for name, part in summary["partitions"].items()} == {
        name: videos for name, (_, videos) in SLICES.items()
    }
    for name in ("report.html", "statistics.html", "submission.csv", "summary.json", "run.log"):
        assert (output / name).stat().st_size > 100
        assert str(output / name) in done.stdout
    assert "<html" in (output / "report.html").read_text()
    assert (Path(summary["model"]["uri"]) / "model.weights.h5").exists()


def test_what_the_pages_say_of_the_work_root_is_there(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """But for the checkpoints, which are gone when the model is there."""
    told = set(re.findall(r"`W/([\w./-]+)`", (ROOT / "docs" / "retraining.md").read_text()))
    assert len(told) > 5
    for place in told - {"checkpoints/FINGERPRINT"}:
        assert list((finished[0] / "work").glob(re.sub(r"[A-Z]{3,}", "*", place))), place


def test_each_test_video_is_in_the_submission_once_with_20_pairs(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    with (finished[0] / "submission.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["VideoId"] for row in rows}) == len(rows) == SLICES["test"][1]
    for row in rows:
        words = row["LabelConfidencePairs"].split()
        confidences = [float(word) for word in words[1::2]]
        assert len(set(words[::2])) == 20
        assert confidences == sorted(confidences, reverse=True)


def latest_run(output: Path) -> Path:
    return max((output / "work" / "runs").iterdir())


def test_the_run_s_results_and_summary_lie_at_the_work_root(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    output, done = finished
    folder = latest_run(output)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary == json.loads((output / "summary.json").read_text())
    assert summary["state"] == "succeeded"
    assert {row["status"] for row in summary["steps"]} == {"succeeded"}
    by_step = {row["step"]: row for row in summary["steps"]}
    assert by_step["train long"]["seconds"] > 0.5
    assert by_step["predict test"]["results"]["videos"] == SLICES["test"][1]
    assert not summary["promotion"]["promoted"]
    assert "not above the floor" in done.stdout
    assert (folder / "validation.html").exists()


def test_what_a_user_interface_shows_beside_the_steps(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    shown: dict[tuple[str, str], Any] = {}
    for path in (finished[0] / "kfp").rglob("executor_output.json"):
        for name, made in json.loads(path.read_text()).get("artifacts", {}).items():
            shown[path.parent.name, name] = made["artifacts"][0]
    metrics = shown["evaluate", "metrics"]["metadata"]
    assert {"gap", "map", "hit_at_1", "perr", "gap_low", "gap_high", "videos"} <= set(metrics)
    assert all(isinstance(metrics[key], float) for key in ("gap", "map", "hit_at_1", "perr"))
    for step in ("train", "select-model"):
        assert {"candidate", "fingerprint", "uri"} <= set(shown[step, "model"]["metadata"]), step
    assert shown["index-videos", "video_index"]["metadata"]["videos"] == SLICES["train"][1]
    pages = [("statistics", "page"), ("validate-data", "page"), ("analyze-errors", "report"),
             ("promote-model", "card"), ("summarize-run", "page")]  # fmt: skip
    for page in pages:
        assert Path(shown[page]["uri"]).read_text().lower().startswith("<!doctype html"), page


def statuses(output: Path) -> dict[str, str]:
    """By step, of the latest run."""
    summary = json.loads((latest_run(output) / "summary.json").read_text())
    return {row["step"]: row["status"] for row in summary["steps"]}


def files(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.glob("*.*") if path.name not in OF_A_RUN}


def test_again_it_reuses_everything_and_a_damaged_shard_is_one_line_from_which_it_resumes(
    source: Path, finished: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    output, _ = finished
    before = files(output)
    module = source / "checkout" / "yt8m" / "evaluation" / "select_model.py"
    module.write_text(module.read_text() + "# a comment is no change\n")
    again = run(source, output)
    assert again.returncode == 0, again.stderr
    assert "15 of 25 steps were not repeated" in again.stdout
    assert {statuses(output)[step] for step in ("train short", "train long", "predict validate short")} == {"reused"}
    assert files(output) == before

    (shard,) = (source / "frames" / "test").glob("*.tfrecord")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1000])
    try:
        broken = run(source, output)
    finally:
        shard.write_bytes(whole)
    assert broken.returncode == 2
    error = broken.stderr.splitlines()[-3:]
    assert error[0].startswith("pipeline.py: error: step index-videos test failed: ")
    assert shard.name in error[0]
    assert "record 23" in error[0]
    assert error[1] == f"  full log: {output / 'run.log'}"
    assert error[2] == f"  to continue: python pipeline.py run --resume --output {output}"
    assert "Traceback" not in broken.stderr
    summary = json.loads((latest_run(output) / "summary.json").read_text())
    assert (summary["state"], summary["failed"]) == ("failed", ["index-videos test"])
    assert {"validate-data", "train short", "publish-results"} <= set(summary["never_started"])
    assert shard.name in summary["what_to_do"][0]
    assert "What to do" in (latest_run(output) / "summary.html").read_text()
    assert files(output) == before

    resumed = run(source, output, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "15 of 25 steps were not repeated" in resumed.stdout
    assert files(output) == before
    steps = json.loads((latest_run(output) / "summary.json").read_text())["steps"]
    reused = [row for row in steps if row["status"] == "reused"]
    assert len(reused) == 15
    assert all(row["bytes"] and row["reused_from"] for row in reused)
    assert next(row["results"]["gap"] for row in reused if row["step"] == "evaluate long") > 0


def test_a_video_that_leaked_stops_the_run_before_training(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source / "frames", tmp_path / "frames")
    (learned,) = (tmp_path / "frames" / "train").glob("*.tfrecord")
    with RecordWriter(tmp_path / "frames" / "validate" / "leak.tfrecord") as writer:
        payload = bytes(next(iterate(learned))[1])
        writer.write(payload)
    done = run(source, tmp_path / "run", "--source", str(tmp_path / "frames"), "--candidates",
               str(source / "candidates.yaml"))  # fmt: skip
    assert done.returncode == 2
    error = next(line for line in done.stderr.splitlines() if line.startswith("pipeline.py: error: "))
    assert error.startswith("pipeline.py: error: step validate-data failed: ")
    assert "leaked_ids is 1, at most 0 is allowed" in error
    assert f"train and validate: 1 ({decode_context(payload).video_id.decode()})" in error
    summary = json.loads((latest_run(tmp_path / "run") / "summary.json").read_text())
    assert (summary["state"], summary["failed"]) == ("failed", ["validate-data"])
    assert {"rebalance", "train short", "train long"} <= set(summary["never_started"])


def test_a_champion_that_came_since_is_met_and_no_decision_about_another_is_reused(
    source: Path, finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, forks: Forks
) -> None:
    output, _ = finished
    before = json.loads((latest_run(output) / "summary.json").read_text())
    assert before["promotion"]["champion"] is None
    build_index([str(source / "frames" / "validate")], tmp_path / "validate.parquet")
    promote = ["promote", before["model"]["uri"], "--registry", str(output / "work" / "registry"),
               "--index", str(tmp_path / "validate.parquet"), "--floor", "0"]  # fmt: skip
    forks.run(promote)
    again = run(source, output)
    assert again.returncode == 0, again.stderr
    promotion = json.loads((latest_run(output) / "summary.json").read_text())["promotion"]
    assert promotion["champion"]["fingerprint"] == before["model"]["fingerprint"]
    assert re.search(r"promote-model: [\d.]+ s", again.stderr)
    assert not re.search(r"(train|predict) (long|short|test): [\d.]+ s", again.stderr)
