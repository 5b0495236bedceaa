"""Submitting and scheduling by the real clients, against emulators that check every request and misbehave."""

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

import pipeline
from targets import remote
from targets.connect import find_token
from targets.remote import Job, one_schedule, states_by_name
from tests.targets.conftest import SOURCES, Cluster
from yt8m.errors import InputError


def test_a_run_is_sent_whole_and_followed_to_its_end(cluster: Cluster, job: Job) -> None:
    service = cluster.service()
    run = service.submit(job)
    assert job.name == run.name
    assert run.id in run.address
    states = [service.progress(run) for _ in range(3)]
    assert [state.state for state in states] == ["waiting", "running", "succeeded"]
    assert [state.ended for state in states] == [False, False, True]
    assert states[2].steps["train"] == "succeeded"
    assert not any("driver" in step for step in states[2].steps)
    path = cluster.runs if cluster.target == "kfp" else f"{cluster.runs}/{run.id}"
    kept = cluster.request(f"{path}/{run.id}" if cluster.target == "kfp" else path)[1]
    config = kept.get("runtime_config") or kept["runtimeConfig"]
    assert (config.get("parameters") or config["parameterValues"]) == {**SOURCES, "seed": 3}
    assert (kept.get("service_account") or kept["serviceAccount"]) == "runner@tagging"


@pytest.mark.parametrize(("end", "state"), [("FAILED", "failed"), ("CANCEL", "cancelled")])
def test_a_run_that_ends_badly_has_ended(cluster: Cluster, job: Job, end: str, state: str) -> None:
    name = end if end == "FAILED" else {"kfp": "CANCELED", "vertex": "CANCELLED"}[cluster.target]
    cluster.script(end=name, error="out of\n memory", failed="train")
    service = cluster.service()
    run = service.submit(job)
    progress = [service.progress(run) for _ in range(3)][-1]
    assert (progress.state, progress.ended) == (state, True)
    if end == "FAILED":
        assert progress.reason == "out of memory"
        assert [step for step, how in progress.steps.items() if how == "failed"] == ["train"]


@pytest.mark.parametrize("cluster", ["kfp"], indirect=True)
def test_what_kubeflow_lists_beside_the_steps_is_left_out(cluster: Cluster, job: Job) -> None:
    """Drivers, groups, rounds of loops, and attempts: one that failed stays so when the next one goes well."""
    cluster.script(retried="train")
    service = cluster.service()
    run = service.submit(job)
    steps = [service.progress(run) for _ in range(3)][-1].steps
    assert set(steps.values()) == {"succeeded"}
    assert {step["name"] for step in pipeline.pipeline_steps()} | {"summarize-run"} == set(steps)
    kept = cluster.request(f"{cluster.runs}/{run.id}")[1]["run_details"]["task_details"]
    names = {task["display_name"]: task["state"] for task in kept}
    assert names["executor(0)"] == "FAILED"
    assert {"root", "root-driver", "train-driver", "iteration-item"} <= set(names)


@pytest.mark.parametrize("cluster", ["kfp"], indirect=True)
def test_a_large_workflow_is_followed_though_kubeflow_s_list_of_tasks_stands_still(cluster: Cluster, job: Job) -> None:
    cluster.script(packed=True, end="FAILED", failed="train", error="OOMKilled (exit code 137)", retried="predict")
    service = cluster.service()
    run = service.submit(job)
    first, _, last = (service.progress(run) for _ in range(3))
    assert set(first.steps.values()) == {"pending"}
    assert {step for step, state in last.steps.items() if state == "failed"} == {"train"}
    assert last.reason == "OOMKilled (exit code 137)"
    kept = cluster.request(f"{cluster.runs}/{run.id}")[1]["run_details"]["task_details"]
    assert {task["state"] for task in kept if task["display_name"] == "train"} == {"PENDING"}


@pytest.mark.parametrize("cluster", ["kfp"], indirect=True)
def test_where_the_workflow_is_not_shown_the_list_of_tasks_is_taken(cluster: Cluster, job: Job) -> None:
    cluster.fault("404", "GET", "/apis/v1beta1/runs/", 9)
    cluster.script(end="FAILED", failed="train", error="OOMKilled (exit code 137)")
    service = cluster.service()
    run = service.submit(job)
    last = [service.progress(run) for _ in range(3)][-1]
    assert (last.steps["train"], last.steps["find-champion"], last.reason) == ("failed", "succeeded", "")


@pytest.mark.parametrize(("version", "fits"), [("2.17.0", True), ("2.14.0", True), ("unknown", True), ("2.5.0", False)])
@pytest.mark.parametrize("cluster", ["kfp"], indirect=True)
def test_a_server_that_is_too_old_is_refused(cluster: Cluster, version: str, fits: bool) -> None:
    cluster.script(version=version)
    if fits:
        cluster.service()
        return
    with pytest.raises(InputError, match=r"is Kubeflow Pipelines 2\.5\.0; this pipeline needs 2\.14 or later, best"):
        cluster.service()


def test_a_failed_step_of_a_loop_is_seen_beside_one_that_succeeded(cluster: Cluster, job: Job) -> None:
    """The service lists `train` once for each candidate, the one that failed first."""
    cluster.script(end="FAILED", error="out of memory", failed="train")
    service = cluster.service()
    run = service.submit(job)
    assert [service.progress(run) for _ in range(3)][-1].steps["train"] == "failed"
    kept = cluster.request(f"{cluster.runs}/{run.id}")[1]
    details = (kept.get("run_details") or kept.get("jobDetail") or {}).get(
        "task_details" if cluster.target == "kfp" else "taskDetails", [])  # fmt: skip
    states = [task["state"] for task in details if task.get("display_name", task.get("taskName")) == "train"]
    assert states == ["FAILED", "SUCCEEDED"]


@pytest.mark.parametrize("states", [["failed", "running", "pending", "succeeded"], ["running", "pending", "skipped"]])
def test_of_steps_of_one_name_the_worst_counts(states: list[str]) -> None:
    for order in itertools.permutations(states):
        assert states_by_name(("train", state) for state in order) == {"train": states[0]}
    assert states_by_name([("a", "succeeded"), ("b", "running")]) == {"a": "succeeded", "b": "running"}


@pytest.mark.parametrize("kind", ["408", "429", "503", "reset", "lost", "409"])
def test_a_service_that_stumbles_gets_one_run_and_one_schedule(cluster: Cluster, job: Job, kind: str) -> None:
    service = cluster.service()
    if kind != "409":
        cluster.fault(kind, "GET")
    cluster.fault(kind, "POST", cluster.runs)
    run = service.submit(job)
    assert service.progress(run).state not in {"failed", "cancelled"}
    cluster.fault(kind, "POST", cluster.schedules)
    made = service.create_schedule(job, service.cron("0 3 * * *", "UTC"), paused=False)
    assert service.schedules(job.name) == [made]
    assert len(cluster.tick()) == 1
    assert sum(status != 200 for _, _, status in cluster.log()) >= 2


def test_the_same_name_is_not_started_twice_where_names_are_ids(cluster: Cluster, job: Job) -> None:
    service = cluster.service()
    first, second = service.submit(job), service.submit(job)
    if cluster.target == "vertex":
        assert first == second
        assert [status for _, path, status in cluster.log() if path == cluster.runs] == [200, 409]


def test_a_lost_answer_is_looked_up_and_not_repeated(cluster: Cluster, job: Job) -> None:
    service = cluster.service()
    service.schedules()
    cluster.fault("lost", "POST", cluster.runs)
    cluster.fault("lost", "POST", cluster.schedules)
    run = service.submit(job)
    service.create_schedule(job, service.cron("0 3 * * *", "UTC"), paused=False)
    assert cluster.done("POST", cluster.schedules) == 1
    if cluster.target == "kfp":
        assert cluster.done("POST", cluster.runs) == 1
    assert not service.progress(run).ended


def test_giving_up_is_one_line(cluster: Cluster, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    service = cluster.service()
    monkeypatch.setattr(remote, "GIVE_UP_SECONDS", 0.1)
    cluster.fault("503", "POST", count=999)
    with pytest.raises(InputError, match=r"still failing after 0 s .*503.*run the command") as error:
        service.submit(job)
    assert "\n" not in str(error.value)


def test_nobody_at_the_address_is_one_line(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    monkeypatch.setattr(remote, "GIVE_UP_SECONDS", 0.1)
    monkeypatch.setattr(cluster, "address", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="still failing"):
        cluster.service().submit(job)


def test_a_token_is_read_when_it_is_needed_and_never_shown(cluster: Cluster, job: Job, tmp_path: Path) -> None:
    file = tmp_path / "token"
    cluster.reset(token="first-secret")
    file.write_text("wrong-secret\n")
    with pytest.raises(InputError) as error:
        cluster.service(token=find_token(file)).submit(job)
    assert re.search(r"refused \(401\).*--token-file", str(error.value))
    assert "wrong-secret" not in str(error.value)
    file.write_text("first-secret\n")
    service = cluster.service(token=find_token(file))
    service.submit(job)
    cluster.request("/_token", {"token": "second-secret"})
    file.write_text("second-secret\n")
    run = service.submit(dataclasses.replace(job, name="yt8m-two"))
    assert service.progress(run).state == "waiting"


def test_no_identity_where_one_is_asked_for_is_one_line(cluster: Cluster, job: Job) -> None:
    cluster.reset(token="secret")
    with pytest.raises(InputError, match=r"a token is asked for \(401\)|no Google Cloud credentials"):
        cluster.service().submit(job)


@pytest.mark.parametrize(("status", "says"), [
    ("403", "access denied"),
    ("400", "refused .400: .*injected.*see that"),
    ("404", "404: .*injected.*see that (--host names|--project and --region are right)"),
])  # fmt: skip
def test_a_refusal_is_one_line_with_what_the_service_said(cluster: Cluster, job: Job, status: str, says: str) -> None:
    service = cluster.service()
    cluster.fault(status, "POST", cluster.runs)
    with pytest.raises(InputError, match=says) as error:
        service.submit(job)
    assert "\n" not in str(error.value)


def test_a_schedule_is_paused_resumed_and_deleted(cluster: Cluster, job: Job) -> None:
    service = cluster.service()
    cron = service.cron("0 3 * * 1-5", "UTC")
    made = service.create_schedule(job, cron, paused=False)
    assert (made.cron, made.paused, made.settings) == (cron, False, job.settings)
    assert len(cluster.tick()) == 1
    assert cluster.tick() == [], "the first run is still going on"
    service.pause(made)
    assert one_schedule(service, job.name).paused
    service.resume(made)
    assert not one_schedule(service, job.name).paused
    service.delete(made)
    service.delete(made)
    assert service.schedules() == []
    with pytest.raises(InputError, match="there is no schedule 'yt8m-one'; there are none at all"):
        one_schedule(service, job.name)


def test_a_schedule_can_start_paused(cluster: Cluster, job: Job) -> None:
    service = cluster.service()
    service.create_schedule(job, service.cron("0 3 * * *", "UTC"), paused=True)
    assert one_schedule(service, job.name).paused
    assert cluster.tick() == []


def test_many_schedules_come_in_pages(cluster: Cluster, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from targets import kubeflow

    monkeypatch.setattr(kubeflow, "PAGE", 2)
    service = cluster.service()
    for number in range(5):
        service.create_schedule(dataclasses.replace(job, name=f"n{number}"), service.cron("0 3 * * *", "UTC"),
                                paused=True)  # fmt: skip
    assert sorted(entry.name for entry in service.schedules()) == [f"n{number}" for number in range(5)]
    assert [entry.name for entry in service.schedules("n3")] == ["n3"]


def test_a_bucket_that_is_not_there_is_not_made(processes: dict[str, Cluster], gcs: Any, packages: Any) -> None:
    from targets.vertex import Vertex, VertexPlace

    cluster = processes["vertex"]
    cluster.reset()
    service = Vertex(VertexPlace("tagging", "europe-west4", "gs://buckte", cluster.address), None)
    with pytest.raises(InputError, match=r"gs://buckte.*no such object or bucket"):
        service.submit(Job("yt8m-one", packages["vertex"], SOURCES, "f"))
    assert not any(entry["method"] == "POST" and entry["path"].startswith("/storage/v1/b?") for entry in gcs.log())
    assert cluster.log() == []
