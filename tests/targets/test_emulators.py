"""The mutation test: the emulated services refuse what the real ones would; each request differs from a good one."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from targets.parameters import read_pipeline
from tests.targets.conftest import PARENT, SOURCES, Cluster

Change = Callable[[Any], Any]
PARAMETERS = {**SOURCES, "seed": 3, "floor": 0.5, "candidates": [], "skip_unchanged": True}


def kubeflow_run(cluster: Cluster, package: Path) -> Any:
    experiment = cluster.request("/apis/v2beta1/experiments", {"display_name": "e"})[1]["experiment_id"]
    spec, platform = yaml.safe_load_all(package.read_text())
    return {
        "display_name": "r", "experiment_id": experiment,
        "pipeline_spec": {"pipeline_spec": spec, "platform_spec": platform},
        "runtime_config": {"parameters": PARAMETERS},
        "service_account": "runner",
    }  # fmt: skip


def vertex_job(package: Path) -> Any:
    return {
        "displayName": "r", "pipelineSpec": read_pipeline(package), "labels": {"a": "b"},
        "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/artifacts", "parameterValues": PARAMETERS},
    }  # fmt: skip


def renamed(entry: Any, *path: str) -> None:
    *parents, last = path
    for key in parents:
        entry = entry[key]
    entry[f"{last}x"] = entry.pop(last)


def assigned(value: Any, *path: str) -> Change:
    def change(entry: Any) -> None:
        for key in path[:-1]:
            entry = entry[key]
        entry[path[-1]] = value

    return change


def dropped(*path: str) -> Change:
    def change(entry: Any) -> None:
        for key in path[:-1]:
            entry = entry[key]
        del entry[path[-1]]

    return change


SPEC = ("pipeline_spec", "pipeline_spec")
RUN: list[tuple[Change, str]] = [
    (lambda run: renamed(run, "display_name"), "unknown field"),
    (lambda run: renamed(run, "runtime_config"), "unknown field"),
    (lambda run: renamed(run, "runtime_config", "parameters"), "unknown field"),
    (assigned(3, "display_name"), "must be a string"),
    (assigned(True, "service_account"), "must be a string"),
    (assigned([], "runtime_config"), "must be a V2beta1RuntimeConfig"),
    (assigned("PENDING", "state"), "output only"),
    (dropped("pipeline_spec"), "pipeline spec"),
    (assigned({}, "pipeline_spec"), "pipeline spec"),
    (dropped(*SPEC, "root"), "root.dag is required"),
    (dropped(*SPEC, "pipelineInfo"), "pipelineInfo.name is required"),
    (lambda run: renamed(run, *SPEC, "deploymentSpec"), "invalid pipeline spec"),
    (lambda run: renamed(run, "pipeline_spec", "platform_spec", "platforms"), "invalid pipeline spec"),
    (assigned("3", "runtime_config", "parameters", "seed"), "seed is no NUMBER_INTEGER"),
    (assigned(3.5, "runtime_config", "parameters", "seed"), "seed is no NUMBER_INTEGER"),
    (assigned("yes", "runtime_config", "parameters", "skip_unchanged"), "skip_unchanged is no BOOLEAN"),
    (assigned({}, "runtime_config", "parameters", "candidates"), "candidates is no LIST"),
    (assigned(1, "runtime_config", "parameters", "sed"), "sed is not an input"),
    (assigned("none", "experiment_id"), "experiment not found"),
]
RECURRING: list[tuple[Change, str]] = [
    (lambda run: renamed(run, "trigger", "cron_schedule", "cron"), "unknown field"),
    (assigned("0 3 * * *", "trigger", "cron_schedule", "cron"), "bad cron"),
    (assigned("TZ=UTC 0 0 3 * * *", "trigger", "cron_schedule", "cron"), "bad cron"),
    (assigned("often", "max_concurrency"), "must be a number"),
    (assigned(0, "max_concurrency"), "1 to 10"),
    (assigned("no", "no_catchup"), "must be a boolean"),
    (assigned("ON", "mode"), "must be one of"),
    (dropped("trigger"), "bad cron"),
    (dropped("pipeline_spec"), "pipeline spec"),
]
JOB: list[tuple[Change, str]] = [
    (lambda job: renamed(job, "pipelineSpec"), "no field named"),
    (lambda job: renamed(job, "runtimeConfig", "parameterValues"), "no field named"),
    (assigned(3, "displayName"), "Invalid JSON payload"),
    (assigned([], "labels"), "Invalid JSON payload"),
    (assigned({"a": "B"}, "labels"), "bad label"),
    (assigned("PIPELINE_STATE_RUNNING", "state"), "output only"),
    (dropped("pipelineSpec"), "pipeline spec is missing"),
    (dropped("pipelineSpec", "root"), "root.dag is required"),
    (dropped("pipelineSpec", "schemaVersion"), "schemaVersion is required"),
    (lambda job: renamed(job, "pipelineSpec", "deploymentSpec"), "invalid pipeline spec"),
    (assigned({"kubernetes": {}}, "pipelineSpec", "platforms"), "platform spec is not supported"),
    (dropped("runtimeConfig", "gcsOutputDirectory"), "gcs_output_directory is required"),
    (assigned("3", "runtimeConfig", "parameterValues", "seed"), "seed is no NUMBER_INTEGER"),
    (assigned(1, "runtimeConfig", "parameterValues", "sed"), "sed is not an input"),
]
SCHEDULE: list[tuple[Change, str]] = [
    (lambda entry: renamed(entry, "cron"), "no field named"),
    (assigned("0 0 3 * * *", "cron"), "bad cron"),
    (assigned("TZ=Europe/Bern 0 3 * * *", "cron"), "bad time zone"),
    (dropped("maxConcurrentRunCount"), "max_concurrent_run_count is required"),
    (dropped("createPipelineJobRequest", "parent"), "parent is required"),
    (dropped("createPipelineJobRequest", "pipelineJob", "pipelineSpec"), "pipeline spec is missing"),
    (assigned("ACTIVE", "state"), "output only"),
    (dropped("createPipelineJobRequest"), "parent is required"),
]


def refused(cluster: Cluster, path: str, good: Any, change: Change, says: str) -> None:
    """A changed request is refused, with the reason; then the good one is taken."""
    bad = copy.deepcopy(good)
    change(bad)
    status, answer = cluster.request(path, bad)
    assert status in {400, 404}, answer
    assert says in str(answer)
    assert cluster.request(path, good)[0] == 200


@pytest.fixture
def kubeflow(processes: dict[str, Cluster]) -> Cluster:
    processes["kfp"].reset()
    return processes["kfp"]


@pytest.fixture
def vertex_pipelines(processes: dict[str, Cluster]) -> Cluster:
    processes["vertex"].reset()
    return processes["vertex"]


@pytest.mark.parametrize(("change", "says"), RUN)
def test_kubeflow_refuses_a_wrong_run(kubeflow: Cluster, packages: Any, change: Change, says: str) -> None:
    refused(kubeflow, kubeflow.runs, kubeflow_run(kubeflow, packages["kfp"]), change, says)


@pytest.mark.parametrize(("change", "says"), RECURRING)
def test_kubeflow_refuses_a_wrong_recurring_run(kubeflow: Cluster, packages: Any, change: Change, says: str) -> None:
    good = {
        **kubeflow_run(kubeflow, packages["kfp"]), "mode": "ENABLE", "max_concurrency": "1", "no_catchup": True,
        "trigger": {"cron_schedule": {"cron": "0 0 3 * * *"}},
    }  # fmt: skip
    refused(kubeflow, kubeflow.schedules, good, change, says)


@pytest.mark.parametrize(("change", "says"), JOB)
def test_vertex_refuses_a_wrong_job(vertex_pipelines: Cluster, packages: Any, change: Change, says: str) -> None:
    path = f"{vertex_pipelines.runs}?pipelineJobId=one"
    refused(vertex_pipelines, path, vertex_job(packages["vertex"]), change, says)


@pytest.mark.parametrize("job_id", ["", "One", "1one", "a" * 129])
def test_vertex_refuses_a_wrong_job_id(vertex_pipelines: Cluster, packages: Any, job_id: str) -> None:
    path = f"{vertex_pipelines.runs}?pipelineJobId={job_id}"
    assert vertex_pipelines.request(path, vertex_job(packages["vertex"]))[0] == 400


@pytest.mark.parametrize(("change", "says"), SCHEDULE)
def test_vertex_refuses_a_wrong_schedule(vertex_pipelines: Cluster, packages: Any, change: Change, says: str) -> None:
    job = {key: value for key, value in vertex_job(packages["vertex"]).items() if key != "displayName"}
    good = {
        "displayName": "s", "cron": "TZ=Europe/Zurich 0 3 * * *", "maxConcurrentRunCount": "1",
        "createPipelineJobRequest": {"parent": PARENT, "pipelineJob": job},
    }  # fmt: skip
    refused(vertex_pipelines, vertex_pipelines.schedules, good, change, says)


def test_the_services_know_nothing_of_other_addresses(processes: dict[str, Cluster]) -> None:
    for cluster in processes.values():
        cluster.reset()
        assert cluster.request(f"{cluster.runs}/none")[0] == 404
        assert cluster.request("/v3/none")[0] == 404
        assert cluster.request(f"{cluster.schedules}/none", method="DELETE")[0] == 404
