"""`submit` by its command line: the real clients against the emulated clusters."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import pipeline
from targets.compilation import SETTINGS
from targets.kubeflow import Kubeflow
from targets.parameters import declared, read_pipeline
from targets.remote import Job, Run
from targets.submission import prepared
from targets.submit_command import run_name, words_of
from tests.targets.conftest import Cluster
from yt8m import storage
from yt8m.runs.records import run_of

ATTEMPTS = 9  # a 401 is met three times by each call of Google's client, and that is called three times
DIGEST = "@sha256:" + 32 * "ab"
LABELS = "VideoId,Labels\n" + "".join(f"v{i},{i % 9}\n" for i in range(900))


def submit(cluster: Cluster, *options: str) -> int:
    return pipeline.main(["submit", *cluster.options, *options])


def settings_of(tmp_path: Path, **images: str) -> list[str]:
    """Options that lead to settings whose prod images are filled in."""
    settings = copy.deepcopy(yaml.safe_load(SETTINGS.read_text()))
    settings["profiles"]["prod"]["images"] = {"data": f"r/data{DIGEST}", "trainer": f"r/trainer{DIGEST}", **images}
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.dump(settings))
    return ["--settings", str(path), "--profile", "prod"]


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_it_prints_the_address_and_waits_for_the_result(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(cluster, *sources, "--label", "one", "--wait", "--poll-seconds", "0.01") == 0
    out, err = capsys.readouterr()
    page = {"kfp": f"{cluster.address}/#/runs/details/", "vertex": "https://console.cloud.google.com/vertex-ai/"}
    assert out.startswith(page[cluster.target])
    assert len(out.splitlines()) == 1
    warning, *rest = err.splitlines()
    assert re.search(r"profile dev: .*cannot pull yt8m-data:dev, yt8m-trainer:dev.*make images push", warning)
    lines = [line.strip().split("  ")[1] for line in rest]
    assert [line for line in lines if line.startswith("train:")] == ["train: pending", "train: running",
                                                                      "train: succeeded"]  # fmt: skip
    assert [line for line in lines if line.startswith("run ")] == ["run waiting", "run running", "run succeeded"]


def test_a_run_that_fails_is_exit_code_1_with_step_and_reason(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.script(end="FAILED", error="out of memory", failed="train")
    assert submit(cluster, *sources, "--wait", "--poll-seconds", "0.01") == 1
    assert "the run failed in train: out of memory; see http" in error_of(capsys)
    assert submit(cluster, *sources) == 0, "without --wait nobody looks"


@pytest.mark.parametrize("cluster", ["kfp"], indirect=True)
def test_names_and_reasons_of_a_failure_are_those_of_the_run_s_own_summary(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which Kubeflow knows neither by candidate nor at all; the summary is there before the run has ended."""
    sent = Kubeflow.submit

    def submit_and_fail(service: Kubeflow, job: Job) -> Run:
        run = sent(service, job)
        rows = [{"step": "train vlad", "error": "ZeroDivisionError: of a defect"}, {"step": "train fv", "error": None}]
        folder = f"{job.parameters['work_root']}/runs/{run.id}"
        storage.write_json(f"{folder}/summary.json", {"failed": ["train vlad"], "steps": rows})
        return run

    monkeypatch.setattr(Kubeflow, "submit", submit_and_fail)
    cluster.script(end="FAILED", failed="train")
    assert submit(cluster, *sources, "--wait", "--poll-seconds", "0.01") == 1
    assert "the run failed in train vlad: ZeroDivisionError: of a defect; see http" in error_of(capsys)


def test_a_run_that_is_cancelled_ends_the_wait(cluster: Cluster, sources: list[str],
                                               capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    cluster.script(end={"kfp": "CANCELED", "vertex": "CANCELLED"}[cluster.target])
    assert submit(cluster, *sources, "--wait", "--poll-seconds", "0.01") == 1
    assert "the run was cancelled; see http" in error_of(capsys)


def test_faults_while_waiting_are_waited_out(cluster: Cluster, sources: list[str],
                                             capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    path = cluster.runs + "/"
    for kind in ("503", "429", "reset"):
        cluster.fault(kind, "GET", path)
    assert submit(cluster, *sources, "--wait", "--poll-seconds", "0.01") == 0
    assert capsys.readouterr().err.rstrip().endswith("run succeeded")
    assert [status for _, where, status in cluster.log() if where.startswith(path)][:3] == [503, 429, 0]


@pytest.mark.parametrize(("status", "says"), [("401", r"\(401\)"), ("403", "access denied")])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_refusal_is_one_line_at_the_start_and_while_waiting(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    method: str, status: str, says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("YT8M_TOKEN", "old")
    cluster.fault(status, method, cluster.runs + ("/" if method == "GET" else ""), ATTEMPTS)
    assert submit(cluster, *sources, "--wait", "--poll-seconds", "0.01") == 2
    assert re.search(says, error_of(capsys))
    assert cluster.done("POST", cluster.runs) == (1 if method == "GET" else 0)


@pytest.mark.parametrize(("options", "says"), [
    (["--set-parameter", "sed=1"], "the pipeline has no such parameter"),
    (["--set-parameter", "seed=x"], "seed: a whole number is needed"),
    (["--set-parameter", "candidates=[{name: a, preset: logistic}]"], "'overrides' is missing"),
    (["--set-parameter", "train_source=/tmp/x"], "train_source: "),
    (["--set-parameter", "floor=80"], "parameter floor 80"),
    (["--set-parameter", "vertex_project=p"], "both are needed"),
    (["--poll-seconds", "-1"], "--poll-seconds: give a number above 0"),
    (["--profile", "test"], "put the digest there"),
    (["--profile", "live"], "there is no profile 'live'"),
    (["--label", "Night Run"], "lower-case words are needed"),
    (["--token-file", "/none"], "--token-file /none: it cannot be read"),
])  # fmt: skip
def test_wrong_input_is_one_line_and_nothing_is_sent(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert submit(cluster, *sources, *options) == 2
    assert says in error_of(capsys)
    assert not cluster.log()


def test_steps_find_the_run_that_they_belong_to_by_its_name() -> None:
    names = [run_name(label) for label in ("prod", "nightly-check") for _ in range(50)]
    assert [run_of(f"gs://bucket/artifacts/123/{name}/train/model") for name in names] == names


def test_options_of_the_other_target_are_refused(cluster: Cluster, sources: list[str],
                                                         capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    other = {"kfp": ["--region", "us-central1"], "vertex": ["--namespace", "n"]}[cluster.target]
    assert submit(cluster, *sources, *other) == 2
    assert f"{other[0]}: not an option of target {cluster.target}" in error_of(capsys)


def test_prod_shows_an_estimate_first(cluster: Cluster, sources: list[str], tmp_path: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    options = [*sources, *settings_of(tmp_path)]
    assert submit(cluster, *options) == 2
    assert "an estimate is shown before a run of profile prod" in error_of(capsys)
    assert not cluster.log()
    (tmp_path / "labels.csv").write_text(LABELS)
    assert submit(cluster, *options, "--index", str(tmp_path / "labels.csv")) == 0
    out, err = capsys.readouterr()
    assert "GPU hours" in err
    assert "900 " not in out
    assert submit(cluster, *options, "--yes") == 0
    err = capsys.readouterr().err
    assert "no estimate is shown, as no index is named; --index" in err
    assert "no registry" not in err


def test_a_profile_of_any_name_makes_the_name_of_a_run() -> None:
    assert [words_of(name) for name in ("prod", "gpu2", "Big_GPU-2x", "8")] == ["prod", "gpu", "big-gpu-x", "run"]
    assert run_of(f"gs://b/artifacts/1/{run_name(words_of('gpu2'))}/train_1/model") is not None


def test_a_changed_image_or_library_never_meets_an_old_result(
    cluster: Cluster, sources: list[str], tmp_path: Path
) -> None:
    """All that a cache goes by differs: the image of the step, and the code version that indexing takes."""
    parser_options = [*cluster.options, *sources]
    specs = []
    for image in ("1" * 64, "2" * 64):
        args = pipeline.parse(["submit", *parser_options,
                               *settings_of(tmp_path, data=f"r/data@sha256:{image}")])  # fmt: skip
        with prepared(args, pipeline.make_pipeline, "one") as made:
            specs.append((read_pipeline(made.job.package), made.job.settings))
    (first, one), (second, two) = specs
    assert one != two
    assert declared(first)["code_version"]["defaultValue"] != declared(second)["code_version"]["defaultValue"]
    executors = first["deploymentSpec"]["executors"]
    changed = {name for name, entry in executors.items() if entry != second["deploymentSpec"]["executors"][name]}
    assert changed == {name for name, entry in executors.items() if "r/data@" in entry["container"]["image"]}
    assert "exec-index-videos" in changed
    index = [task for dag in dags(first) for name, task in dag["tasks"].items() if name.startswith("index-videos")]
    assert index
    assert all("code_version" in task["inputs"]["parameters"] for task in index)


def dags(spec: Any) -> list[Any]:
    return [spec["root"]["dag"], *(part["dag"] for part in spec["components"].values() if "dag" in part)]
