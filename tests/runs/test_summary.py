"""The summary of runs that went well, failed, were killed, or had nothing to do."""

import json
from pathlib import Path
from typing import Any

import pytest

import pipeline
from yt8m.errors import InputError
from yt8m.runs import finish
from yt8m.runs.finish import finish_run
from yt8m.runs.summary import one_line, summarize

RUN = "yt8m-2026-11-25-10-06-35-502722"
ALL = [
    "fingerprint-source train", "fingerprint-source validate", "fingerprint-source test", "check-changes",
    "find-champion", "find-champion to start from",
    "index-videos train", "index-videos validate", "index-videos test", "statistics", "validate-data", "rebalance",
    "train a", "predict validate a", "evaluate a", "train b", "predict validate b", "evaluate b", "select-model",
    "analyze-errors", "publish-results", "promote-model", "predict test", "write-submission",
]  # fmt: skip
RESULTS = {
    "candidates": [
        {"name": "b", "gap": 0.61, "map_rare": 0.3, "hit_at_1": 0.7, "size_mb": 20.0, "seconds": 40.0},
        {"name": "a", "gap": 0.6, "map_rare": 0.3, "hit_at_1": 0.7, "size_mb": 10.0, "seconds": 30.0},
    ],
    "selected": "b",
    "simulated": True,
}
PROMOTION = {"promoted": True, "reason": "it is the first champion"}
STEPS = pipeline.pipeline_steps()


class Run:
    """Records of a run, as its steps leave them."""

    def __init__(self, tmp_path: Path):
        self.work = tmp_path / "work"
        self.folder = self.work / "runs" / RUN
        self.folder.mkdir(parents=True)

    def step(self, name: str, status: str = "succeeded", seconds: float | None = 36.0, **content: Any) -> None:
        record = {"step": name, "status": status, "started": "2026-11-25T10:00:00+00:00", "attempt": 1, **content}
        if status != "running":
            record |= {"ended": "2026-11-25T10:01:00+00:00", "seconds": seconds, "peak_memory_bytes": 2 * 10**9}
        (self.folder / f"{name.replace(' ', '-')}.json").write_text(json.dumps(record))

    def published(self) -> None:
        (self.folder / "results.json").write_text(json.dumps(RESULTS))
        (self.folder / "promotion.json").write_text(json.dumps(PROMOTION))

    def summary(self, **options: Any) -> dict[str, Any]:
        return summarize(str(self.work), RUN, steps=STEPS, candidates=["a", "b"], **options)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def statuses(summary: dict[str, Any]) -> dict[str, str]:
    return {row["step"]: row["status"] for row in summary["steps"]}


def test_a_run_that_went_well(run: Run) -> None:
    for name in ALL[3:]:
        run.step(name, results={"gap": 0.6})
    run.published()
    summary = run.summary(rates={"data": 1.0, "train": 10.0, "predict": 5.0})
    assert (summary["state"], summary["selected"]) == ("succeeded", "b")
    assert list(statuses(summary)) == ALL
    assert set(statuses(summary).values()) == {"succeeded", "reused"}
    assert summary["what_to_do"] == []
    assert summary["seconds"] == 36.0 * len(ALL[3:])
    assert summary["cost"]["by_kind"]["train"] == pytest.approx(2 * 0.01 * 10)
    assert summary["cost"]["by_kind"]["predict"] == pytest.approx(4 * 0.01 * 5)
    assert one_line(summary) == f"run {RUN} succeeded: b with GAP 0.6100; it is the first champion"


@pytest.mark.parametrize("backend", ["COMPLETE", "RUNNING", "SUCCEEDED", "FAILED", ""])
def test_the_records_decide_whatever_the_backend_says(run: Run, backend: str) -> None:
    """COMPLETE is Kubeflow's word; RUNNING stays where the last step came from its cache, FAILED after a retry."""
    for name in ALL[3:]:
        run.step(name)
    run.published()
    summary = run.summary(backend=backend)
    assert (summary["state"], summary["backend"]) == ("succeeded", backend)
    (run.folder / "write-submission.json").unlink()  # it never started
    summary = run.summary(backend=backend)
    assert (summary["state"], summary["failed"], summary["never_started"]) == ("failed", [], ["write-submission"])
    assert one_line(summary).startswith(f"run {RUN} failed before write-submission started")
    (run.folder / "check-changes.json").unlink()
    run.step("check-changes", results={"changed": False})
    assert run.summary(backend=backend)["state"] == "unchanged"


def test_the_steps_that_no_other_waits_for_are_never_reused() -> None:
    """So each leaves a record in each run, and the summary can tell a run that came to its end."""
    import yaml

    waited_for = {name for step in STEPS for name in step["after"]}
    last = [step["name"] for step in STEPS if step["name"] not in waited_for]
    assert last == ["write-submission"]
    golden = Path(__file__).parents[1] / "golden" / "pipeline" / "kfp-dev.yaml"
    compiled = next(yaml.load_all(golden.read_text(), yaml.CSafeLoader))
    dags = [part["dag"]["tasks"] for part in [compiled["root"], *compiled["components"].values()] if "dag" in part]
    (task,) = [tasks[name] for tasks in dags for name in last if name in tasks]
    assert "enableCache" not in task.get("cachingOptions", {})


def test_what_was_reused_and_what_never_started(run: Run) -> None:
    for name in ["check-changes", "rebalance", "predict validate b"]:
        run.step(name)
    run.step("train a", "failed", error="it broke", wrong_input=False)
    summary = run.summary(message="Task train failed")
    found = statuses(summary)
    assert summary["state"] == "failed"
    assert summary["failed"] == ["train a"]
    assert {name for name, status in found.items() if status == "reused"} == {
        *ALL[:3], *ALL[4:9], "validate-data", "train b",
    }  # fmt: skip
    assert summary["never_started"] == [
        "statistics", "predict validate a", "evaluate a", "evaluate b", "select-model", "analyze-errors",
        "publish-results", "promote-model", "predict test", "write-submission",
    ]  # fmt: skip
    assert summary["what_to_do"] == ["train a failed: it broke. Its log says where; run again once that is mended."]
    assert one_line(summary) == f"run {RUN} failed at train a"


def test_a_kill_is_told_from_a_failure(run: Run) -> None:
    run.step("train b", "running")
    summary = run.summary()
    assert statuses(summary)["train b"] == "killed"
    assert "train b was killed from outside: for want of memory" in summary["what_to_do"][0]
    assert "last checkpoint" in summary["what_to_do"][0]


def test_wrong_input_says_what_to_mend(run: Run) -> None:
    run.step("validate-data", "failed", error="leaked_ids is 1", wrong_input=True)
    (advice,) = run.summary()["what_to_do"]
    assert advice.startswith("validate-data found its input wrong: leaked_ids is 1. Mend that")


def test_a_failure_before_any_code_of_ours(run: Run) -> None:
    (advice,) = run.summary()["what_to_do"]
    assert "an image that cannot be pulled" in advice


def test_nothing_to_do(run: Run) -> None:
    run.step("check-changes", results={"changed": False})
    summary = run.summary()
    assert summary["state"] == "unchanged"
    assert one_line(summary).endswith("nothing has changed since the last run, so nothing was done")
    assert statuses(summary)["train a"] == "not run"


def test_the_results_of_an_earlier_attempt_are_not_those_of_a_failed_run(run: Run) -> None:
    run.published()
    run.step("publish-results", "failed", error="no", wrong_input=False)
    assert "candidates" not in run.summary()


def test_the_end_writes_both_files_beside_the_records_and_where_asked(run: Run, tmp_path: Path) -> None:
    run.step("train a", "failed", error="<script>alert(1)</script>", wrong_input=False)
    summary = finish_run(
        str(run.work), RUN, steps=STEPS, candidates=["a", "b"], backend="COMPLETE",
        copies={"summary.json": tmp_path / "json", "summary.html": tmp_path / "page"},
    )  # fmt: skip
    assert json.loads((run.folder / "summary.json").read_text()) == summary
    assert json.loads((tmp_path / "json").read_text()) == summary
    page = (run.folder / "summary.html").read_text()
    assert page == (tmp_path / "page").read_text()
    assert "What to do" in page
    assert "COMPLETE" in page
    assert "<script>alert" not in page
    assert summary["webhook"] is None


@pytest.mark.parametrize("step", ["promote-model", "write-submission", "predict test"])
def test_a_step_that_cannot_be_done_keeps_no_results_back_but_fails_the_run(run: Run, step: str) -> None:
    for name in ALL:
        run.step(name, results={"state": "s"})
    run.step(step, "failed", error="no such bucket", wrong_input=True)
    run.published()
    with pytest.raises(InputError, match=f"{step}: no such bucket"):  # the backend may know nothing of it
        finish_run(str(run.work), RUN, steps=STEPS, candidates=["a", "b"])
    summary = json.loads((run.folder / "summary.json").read_text())
    assert (summary["state"], summary["failed"], summary["selected"]) == ("failed", [step], "b")
    assert summary["promotion"] == (None if step == "promote-model" else PROMOTION)
    assert one_line(summary) == f"run {RUN} failed at {step}; its report and results are published all the same"
    assert "Results" in (run.folder / "summary.html").read_text()
    assert not (run.work / "finished.json").exists()


def test_a_defect_is_no_wrong_input(run: Run) -> None:
    run.step("promote-model", "failed", error="KeyError: 'x'", wrong_input=False)
    run.step("write-submission")
    with pytest.raises(RuntimeError, match="KeyError"):
        finish_run(str(run.work), RUN, steps=STEPS, candidates=["a"])


def test_only_a_run_that_did_all_is_what_later_ones_are_compared_with(run: Run) -> None:
    for name in ALL:
        run.step(name, results={"state": "abc"})
    run.published()
    finish_run(str(run.work), RUN, steps=STEPS, candidates=["a", "b"])
    assert json.loads((run.work / "finished.json").read_text()) == {"run": RUN, "state": "abc"}


def test_a_summary_that_is_tried_again_is_posted_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[Any] = []
    monkeypatch.setattr(finish.webhook, "post", lambda *message: posted.append(message))
    run.step("promote-model", "failed", error="no", wrong_input=True)
    run.step("write-submission")
    for _ in range(2):
        with pytest.raises(InputError):
            finish_run(str(run.work), RUN, steps=STEPS, candidates=["a"], address="https://h/x")
    assert len(posted) == 1


def test_the_summary_has_what_reused_steps_had_said(run: Run) -> None:
    """Through the inputs of what ran, from record to record, also to a run before the last."""

    def earlier(name: str, run_of_it: str, inputs: list[str], **content: Any) -> str:
        path = run.work / "runs" / run_of_it / f"{name.replace(' ', '-')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"step": name, "status": "succeeded", "bytes": 7, "started": "x", **content,
                                    "inputs": [{"record": address} for address in inputs]}))  # fmt: skip
        return str(path)

    index = earlier("index-videos train", "yt8m-1", [], results={"videos": 96})
    trained = earlier("train a", "yt8m-2", [index], results={"gap": 0.6})
    run.step("evaluate a", inputs=[{"uri": "x", "record": trained}, {"uri": "y"}], results={"gap": 0.7})
    rows = {row["step"]: row for row in run.summary()["steps"]}
    for name, made_by, results in (
        ("train a", "yt8m-2", {"gap": 0.6}),
        ("index-videos train", "yt8m-1", {"videos": 96}),
    ):
        row = rows[name]
        assert (row["status"], row["reused_from"], row["results"], row["bytes"]) == ("reused", made_by, results, 7)
        assert (row["seconds"], row["cost"], row["attempt"]) == (None, None, None)
    assert (rows["evaluate a"]["reused_from"], rows["evaluate a"]["results"]) == (None, {"gap": 0.7})
    assert rows["train b"]["results"] == {}
