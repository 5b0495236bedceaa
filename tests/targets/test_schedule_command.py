"""`schedule` by its command line: idempotent by name, never two at a time, on either target."""

import re
from pathlib import Path
from typing import Any

import pytest

import pipeline
from tests.targets.conftest import SOURCES, Cluster
from tests.targets.test_submit_command import LABELS, settings_of

ATTEMPTS = 9  # a 401 is met three times by each call of Google's client, and that is called three times
NIGHTLY = ["--name", "nightly", "--cron", "0 3 * * *"]


def schedule(cluster: Cluster, action: str, *options: str) -> int:
    return pipeline.main(["schedule", action, *cluster.options, *options])


def parameters_of(run: Any) -> dict[str, Any]:
    config = run.get("runtime_config") or run["runtimeConfig"]
    found: dict[str, Any] = config.get("parameters") or config["parameterValues"]
    return found


def test_the_same_again_changes_nothing_and_other_settings_replace_it(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    cron = {"kfp": "0 0 3 * * *", "vertex": "TZ=UTC 0 3 * * *"}[cluster.target]
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    assert capsys.readouterr().out == f"schedule nightly: created (active, {cron})\n"
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    assert "is there already with these settings" in capsys.readouterr().out
    assert cluster.done("POST", cluster.schedules) == 1
    assert schedule(cluster, "create", *sources, *NIGHTLY, "--set-parameter", "seed=4") == 0
    assert "nightly: replaced, as its settings had changed (active" in capsys.readouterr().out
    assert schedule(cluster, "create", *sources, "--name", "nightly", "--cron", "0 4 * * *",
                    "--set-parameter", "seed=4") == 0  # fmt: skip
    assert "replaced" in capsys.readouterr().out
    assert schedule(cluster, "list") == 0
    assert capsys.readouterr().out == f"nightly  active  {cron.replace('3', '4')}\n"


def test_prod_shows_an_estimate_where_an_index_is_named(
    cluster: Cluster, sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*sources, *NIGHTLY, *settings_of(tmp_path)]
    (tmp_path / "labels.csv").write_text(LABELS)
    assert schedule(cluster, "create", *options, "--index", str(tmp_path / "labels.csv")) == 0
    assert "GPU hours" in capsys.readouterr().err
    assert schedule(cluster, "create", *options) == 0
    assert "no estimate is shown, as no index is named; --index" in capsys.readouterr().err


def test_its_runs_look_for_changes_and_do_not_overlap(cluster: Cluster, sources: list[str]) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    (run,) = cluster.tick()
    assert parameters_of(run) == {**SOURCES, "skip_unchanged": True}
    assert cluster.tick() == []


def test_a_run_can_be_asked_for_whatever_has_changed_and_start_from_the_champion(
    cluster: Cluster, sources: list[str]
) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY, "--set-parameter", "skip_unchanged=false",
                    "--set-parameter", "start_from=champion") == 0  # fmt: skip
    (run,) = cluster.tick()
    assert parameters_of(run) == {**SOURCES, "skip_unchanged": False, "start_from": "champion"}


def test_it_is_paused_resumed_and_deleted_by_name(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    capsys.readouterr()
    said = []
    for action in ("pause", "pause", "resume", "resume", "delete", "delete"):
        assert schedule(cluster, action, "--name", "nightly") == 0
        said.append(capsys.readouterr().out.strip())
    assert said == [
        "schedule nightly: paused", "schedule nightly: paused already", "schedule nightly: active again",
        "schedule nightly: active already", "schedule nightly: deleted",
        "schedule nightly: there is none, so nothing to do",
    ]  # fmt: skip
    assert schedule(cluster, "pause", "--name", "nightly") == 2
    assert "there is no schedule 'nightly'" in capsys.readouterr().err


@pytest.mark.parametrize("cluster", ["kfp"], indirect=True)
def test_on_kubeflow_no_run_is_taken_away_with_its_schedule(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    (run,) = cluster.tick()
    assert schedule(cluster, "create", *sources, *NIGHTLY, "--set-parameter", "seed=4") == 0
    assert "is kept, paused" in capsys.readouterr().err
    assert schedule(cluster, "delete", "--name", "nightly") == 2
    assert "a run of it goes on, which Kubeflow would take away" in capsys.readouterr().err
    assert cluster.tick() == []
    ends = [cluster.request(f"{cluster.runs}/{run['run_id']}")[1]["state"] for _ in range(3)]
    assert ends[-1] == "SUCCEEDED"
    assert schedule(cluster, "delete", "--name", "nightly") == 0
    assert schedule(cluster, "list") == 0
    assert capsys.readouterr().out == "schedule nightly: deleted\n"


@pytest.mark.parametrize("cluster", ["kfp"], indirect=True)
def test_on_kubeflow_the_newest_of_a_name_is_resumed(cluster: Cluster, sources: list[str]) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    cluster.tick()
    assert schedule(cluster, "create", *sources, *NIGHTLY, "--set-parameter", "seed=4") == 0
    for action in ("pause", "resume"):
        assert schedule(cluster, action, "--name", "nightly") == 0
    assert [parameters_of(run)["seed"] for run in cluster.tick()] == [4]


def test_a_paused_one_stays_paused_when_it_is_replaced(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    assert schedule(cluster, "pause", "--name", "nightly") == 0
    assert schedule(cluster, "create", *sources, *NIGHTLY, "--set-parameter", "seed=4") == 0
    assert "replaced, as its settings had changed (paused" in capsys.readouterr().out
    assert cluster.tick() == []


def test_when_it_cannot_be_replaced_the_old_one_goes_on(cluster: Cluster, sources: list[str]) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    cluster.fault("403", "POST", f"{cluster.schedules}$")
    assert schedule(cluster, "create", *sources, *NIGHTLY, "--set-parameter", "seed=4") == 2
    (run,) = cluster.tick()
    assert "seed" not in parameters_of(run)


@pytest.mark.parametrize("kind", ["429", "503", "reset", "lost"])
def test_faults_leave_one_schedule(cluster: Cluster, sources: list[str], kind: str,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    for method in ("GET", "POST", "DELETE"):
        cluster.fault(kind, method, cluster.schedules)
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    assert schedule(cluster, "create", *sources, *NIGHTLY, "--set-parameter", "seed=4") == 0
    capsys.readouterr()
    assert schedule(cluster, "list") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert [parameters_of(run)["seed"] for run in cluster.tick()] == [4]


@pytest.mark.parametrize(("status", "says"), [("401", r"\(401\)"), ("403", "access denied")])
def test_a_refusal_is_one_line_and_changes_nothing(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    status: str, says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("YT8M_TOKEN", "old")
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    cluster.fault(status, "GET", cluster.schedules, 5 * ATTEMPTS)
    options = {"create": [*sources, *NIGHTLY, "--set-parameter", "seed=4"], "list": []}
    for action in ("create", "list", "pause", "resume", "delete"):
        assert schedule(cluster, action, *options.get(action, ["--name", "nightly"])) == 2
        assert re.search(says, capsys.readouterr().err.splitlines()[-1])
    (run,) = cluster.tick()
    assert "seed" not in parameters_of(run)


@pytest.mark.parametrize(("options", "says"), [
    (["--cron", "0 3 * *"], "five fields are needed"), (["--time-zone", "Mars"], "no such zone"),
    (["--set-parameter", "seed=x"], "a whole number"),
])  # fmt: skip
def test_wrong_input_is_one_line_and_nothing_is_made(
    cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY, *options) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert cluster.done("POST", cluster.schedules) == 0


def test_time_zones(cluster: Cluster, sources: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    zurich = ["--time-zone", "Europe/Zurich"]
    if cluster.target == "vertex":
        assert schedule(cluster, "create", *sources, *NIGHTLY, *zurich) == 0
        assert "TZ=Europe/Zurich 0 3 * * *" in capsys.readouterr().out
        return
    assert schedule(cluster, "create", *sources, *NIGHTLY, *zurich) == 2
    assert "CRON_SCHEDULE_TIMEZONE=Europe/Zurich" in capsys.readouterr().err
    assert schedule(cluster, "create", *sources, *NIGHTLY, *zurich, "--cluster-time-zone", "Europe/Zurich") == 0
    assert "(active, 0 0 3 * * *)" in capsys.readouterr().out


def test_a_schedule_made_by_other_means_is_left_alone(
    cluster: Cluster, sources: list[str], packages: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 0
    service = cluster.service()
    (made,) = service.schedules("nightly")
    service.delete(made)
    from targets.remote import Job

    service.create_schedule(Job("nightly", packages[cluster.target], dict(SOURCES), ""), made.cron, paused=False)
    assert schedule(cluster, "create", *sources, *NIGHTLY) == 2
    assert "made by other means" in capsys.readouterr().err
    assert len(service.schedules("nightly")) == 1
