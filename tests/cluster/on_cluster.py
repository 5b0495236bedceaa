"""The pipeline on a real Kubeflow backend, from the first run to the reproduction. The checks go on from each other."""

import os
import re
import time
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.cluster.backend import Backend, Ended, seconds_between, until
from tests.cluster.conftest import FIGURES
from tests.paper.conftest import PLAN, write_slices

CANDIDATES = [
    {"name": "netvlad", "preset": "netvlad-small", "overrides": {"epochs": 2}},
    {"name": "logistic", "preset": "logistic", "overrides": {"level": "frame", "epochs": 4}},
]
LONG = [{"name": "long", "preset": "netvlad-small", "overrides": {"epochs": 12, "validate_every": 1}}]
ANOTHER = {"name": "another", "preset": "logistic", "overrides": {"level": "frame", "epochs": 3}}  # not trained before
DIVERGING = {"name": "diverging", "preset": "logistic",
             "overrides": {"level": "frame", "epochs": 1, "schedule.base": 1e30}}  # fmt: skip
ENDED = ("SUCCEEDED", "FAILED", "CANCELED")
STEPS_OF_ONE = "train {0}", "predict validate {0}", "evaluate {0}"


@pytest.fixture(scope="session")
def parameters(backend: Backend) -> dict[str, Any]:
    """Of the sample pipeline, as a user gives them."""
    place = backend.folder
    return {
        "train_source": f"{place}/train", "validation_source": f"{place}/validate", "test_source": f"{place}/test",
        "vocabulary": f"{place}/vocabulary.csv", "work_root": backend.work_root("work"), "webhook": backend.webhook,
        "candidates": CANDIDATES, "floor": 0.2,
    }  # fmt: skip


@pytest.fixture(scope="session")
def first(backend: Backend, parameters: dict[str, Any]) -> Ended:
    """The sample's first run."""
    return backend.submit("submit", "--label", "first", parameters=parameters)


def statuses(summary: dict[str, Any]) -> dict[str, str]:
    return {row["step"]: row["status"] for row in summary["steps"]}


def told_once(backend: Backend, run: str) -> dict[str, Any]:
    """The one summary that the webhook was told of a run."""
    (post,) = backend.told(run)
    return dict(post["summary"])


def test_the_sample_succeeds_and_summary_and_webhook_say_so(
    backend: Backend, parameters: dict[str, Any], first: Ended
) -> None:
    assert first.code == 0, first.said
    summary = backend.summary(parameters["work_root"], first.run)
    assert summary["state"] == "succeeded"
    assert set(statuses(summary).values()) == {"succeeded"}
    assert {row["name"] for row in summary["candidates"]} == {"netvlad", "logistic"}
    assert summary["promotion"]["promoted"]
    assert told_once(backend, first.run)["state"] == "succeeded"
    assert backend.client.get_run(first.run).state == "SUCCEEDED"
    assert re.search(r"run succeeded$", first.said, re.MULTILINE)
    figures(backend, first.run, summary)


def figures(backend: Backend, run: str, summary: dict[str, Any]) -> None:
    """What the backend takes beside the work of the steps."""
    found = backend.client.get_run(run)
    wall, work = seconds_between(found.created_at, found.finished_at), summary["seconds"]
    steps = len(summary["steps"]) + 1  # and the exit
    FIGURES.append(("the sample's first run", f"{wall:.0f} s, of which {work:.0f} s are the work of {steps} steps"))
    FIGURES.append(("beyond its own work", f"{(wall - work) / steps:.1f} s a step"))


def test_the_pages_open_from_the_addresses_of_their_artifacts(
    backend: Backend, parameters: dict[str, Any], first: Ended
) -> None:
    record = backend.read(f"{parameters['work_root']}/runs/{first.run}/publish-results.json")
    pages = {entry["uri"] for entry in record["inputs"] if entry["uri"].endswith(("/page", "/report"))}
    assert len(pages) == 3
    if "UI" not in os.environ:
        pytest.skip("UI is not given: the address of Kubeflow's pages")
    for page in pages:
        parts = urllib.parse.urlsplit(page)
        asked = {"source": parts.scheme, "bucket": parts.netloc, "key": parts.path.lstrip("/"),
                 "namespace": backend.namespace}  # fmt: skip
        answer = requests.get(f"{os.environ['UI']}/artifacts/get", params=asked, timeout=60)
        assert answer.ok, f"{page}: {answer.status_code}"
        assert "</html>" in answer.text


def test_started_again_with_nothing_new_it_ends_early(backend: Backend, parameters: dict[str, Any],
                                                      first: Ended) -> None:  # fmt: skip
    again = backend.submit("submit", "--label", "again", parameters={**parameters, "skip_unchanged": True})
    assert again.code == 0, again.said
    summary = backend.summary(parameters["work_root"], again.run)
    assert summary["state"] == "unchanged"
    assert told_once(backend, again.run)["state"] == "unchanged"
    ran = {step for step, status in statuses(summary).items() if status != "not run"}
    assert ran == {"fingerprint-source train", "fingerprint-source validate", "fingerprint-source test",
                   "check-changes"}  # fmt: skip


def test_a_new_shard_is_trained_on(backend: Backend, parameters: dict[str, Any], first: Ended) -> None:
    before = backend.summary(parameters["work_root"], first.run)
    backend.inside("sh", "-c", f"cp {backend.folder}/later/* {backend.folder}/train/")
    run = backend.submit("submit", "--label", "grown", parameters={**parameters, "skip_unchanged": True})
    assert run.code == 0, run.said
    summary = backend.summary(parameters["work_root"], run.run)
    assert summary["state"] == "succeeded"
    assert summary["partitions"]["train"]["videos"] > before["partitions"]["train"]["videos"]
    found = statuses(summary)
    assert {found["train netvlad"], found["train logistic"], found["index-videos train"]} == {"succeeded"}
    assert {found["index-videos validate"], found["index-videos test"]} == {"reused"}


def test_a_step_that_fails_is_named(backend: Backend, parameters: dict[str, Any]) -> None:
    place = f"{backend.folder}/damaged"
    backend.inside(
        "sh", "-c", f"cp -r {backend.folder}/test {place} && for f in {place}/*; do truncate -s -1000 $f; done"
    )
    run = backend.submit("submit", "--label", "damaged", parameters={**parameters, "test_source": place})
    assert run.code == 1
    summary = backend.summary(parameters["work_root"], run.run)
    assert (summary["state"], summary["failed"]) == ("failed", ["index-videos test"])
    told = told_once(backend, run.run)
    assert (told["state"], told["failed"]) == ("failed", ["index-videos test"])
    assert "the run failed in index-videos test" in run.said.splitlines()[-1]
    assert backend.client.get_run(run.run).state == "FAILED"


def test_one_of_two_candidates_fails(backend: Backend, parameters: dict[str, Any]) -> None:
    run = backend.submit("submit", "--label", "half",
                         parameters={**parameters, "candidates": [ANOTHER, DIVERGING]})  # fmt: skip
    assert run.code == 1
    summary = backend.summary(parameters["work_root"], run.run)
    found = statuses(summary)
    assert summary["failed"] == ["train diverging"]
    assert {found[step.format("another")] for step in STEPS_OF_ONE} == {"succeeded"}
    (error,) = (row["error"] for row in summary["steps"] if row["step"] == "train diverging")
    assert "lower the learning rate" in error
    assert "the run failed in train" in run.said.splitlines()[-1]


def test_a_training_that_loses_its_pod_ends_with_the_same_weights(backend: Backend, parameters: dict[str, Any]) -> None:
    alone, killed = ({**parameters, "work_root": backend.work_root(name), "candidates": LONG}
                     for name in ("alone", "killed"))  # fmt: skip

    def kill(run: str) -> None:
        """Take the training's pod away after its first validation, without notice."""
        until(lambda: backend.inside("sh", "-c", f"ls {killed['work_root']}/checkpoints/*/*.npz 2> /dev/null || true"),
              "the best weights so far")  # fmt: skip
        (pod,) = backend.pods(run, "train")
        backend.kubectl("delete", "pod", pod, "--grace-period", "0", "--force")

    lost = backend.submit("submit", "--label", "killed", parameters=killed, meanwhile=kill)
    assert lost.code == 0, lost.said
    summary = backend.summary(killed["work_root"], lost.run)
    assert next(row["attempt"] for row in summary["steps"] if row["step"] == "train long") == 2
    assert told_once(backend, lost.run)["state"] == "succeeded"
    undisturbed = backend.submit("submit", "--label", "alone", parameters=alone)
    assert undisturbed.code == 0, undisturbed.said
    weights = backend.weights(killed["work_root"])
    assert len(weights) == 1
    assert weights == backend.weights(alone["work_root"])


def test_a_recurring_run_comes_due_and_the_next_finds_nothing_new(backend: Backend, parameters: dict[str, Any]) -> None:
    recurring = {**parameters, "work_root": backend.work_root("recurring"), "candidates": CANDIDATES[1:]}
    name = f"acceptance-{int(time.time())}"
    experiment = backend.client.get_experiment(experiment_name="yt8m").experiment_id
    backend.say("schedule", "create", "--name", name, "--cron", "* * * * *", parameters=recurring)
    try:

        def ended() -> list[Any]:
            found = backend.client.list_runs(experiment_id=experiment, sort_by="created_at desc", page_size=100).runs
            mine = [run for run in found or [] if run.display_name.startswith(name)]
            return sorted((run for run in mine if run.state in ENDED), key=lambda run: run.created_at)

        runs = until(lambda: found if len(found := ended()) >= 2 else None, "two runs of the schedule")
    finally:
        backend.say("schedule", "delete", "--name", name)
    summaries = [backend.summary(recurring["work_root"], run.run_id) for run in runs[:2]]
    assert [summary["state"] for summary in summaries] == ["succeeded", "unchanged"]
    FIGURES.append(("names of a schedule's runs", ", ".join(run.display_name for run in runs[:2])))
    assert seconds_between(runs[0].finished_at, runs[1].created_at) >= -1, "at most one run goes on at a time"


def test_two_experiments_of_a_reproduction(backend: Backend, parameters: dict[str, Any], tmp_path: Path) -> None:
    work_root, place = backend.work_root("paper"), f"{backend.folder}/slices"
    shards = write_slices(tmp_path)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))
    backend.put(tmp_path, "slices")
    chosen = ["imbalance", "tripling"]
    run = backend.submit("reproduce", "submit", parameters={
        "scale": "tiny", "plan": f"{place}/plan.yaml", "experiments": chosen, "work_root": work_root,
        "vocabulary": parameters["vocabulary"],
        **{f"{partition}_source": f"{place}/{Path(path).name}" for partition, path in shards.items()},
    })  # fmt: skip
    assert run.code == 0, run.said
    paper = backend.read(f"{work_root}/reproduction/tiny/paper.json")
    assert {name for name, result in paper.items() if result["verdict"] != "not run"} == set(chosen)
    assert paper["tripling"]["ours"]["tripled"] > 0
