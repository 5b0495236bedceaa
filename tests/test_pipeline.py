"""The pipeline's definition, its compiled files, and its command line. `python tests/test_pipeline.py` renews the
golden files, for a change that is meant."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

import pipeline
from targets.cluster import TARGETS
from targets.compilation import CANDIDATES, SETTINGS, compile_for, version_of
from targets.settings import load_profile
from yt8m.runs.steps import before, steps_of

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "pipeline"
GOLDEN_FILES = ["kfp-dev", "vertex-dev", "kfp-prod", "vertex-prod"]
UNCACHED = {
    "fingerprint-source", "fingerprint-source-2", "fingerprint-source-3", "check-changes", "find-champion",
    "find-champion-2", "promote-model",
    "publish-results", "summarize-run", "write-submission",
}  # fmt: skip
DAGS = {"for-loop-1", "exit-handler-1", "condition-1", "condition-2", "for-loop-2", "for-loop-3"}


def compiled(folder: Path, name: str) -> str:
    target, profile = name.split("-")
    read = load_profile(SETTINGS, profile)
    compile_for(target, read, CANDIDATES, folder / f"{name}.yaml", pipeline.make_pipeline)
    return (folder / f"{name}.yaml").read_text()


def normalized(text: str, profile: str) -> str:
    """Without what changes with every change of the library, or with the version of the SDK."""
    code = version_of(load_profile(SETTINGS, profile))
    return re.sub(r"sdkVersion: \S+", "sdkVersion: SDK", text).replace(code, "CODE")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The YAML documents of each target's file, of profile prod."""
    folder = tmp_path_factory.mktemp("compiled")
    return {target: list(yaml.safe_load_all(compiled(folder, f"{target}-prod"))) for target in TARGETS}


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_a_compiled_file_is_the_golden_one(tmp_path: Path, name: str) -> None:
    text = normalized(compiled(tmp_path, name), name.split("-")[1])
    assert text == (GOLDEN / f"{name}.yaml").read_text(), "meant? then run python tests/test_pipeline.py"


def test_both_files_are_what_the_official_messages_say(documents: dict[str, list[Any]]) -> None:
    assert [len(documents[target]) for target in ("kfp", "vertex")] == [2, 1]
    for document, *_ in documents.values():
        json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(documents["kfp"][1], pipeline_spec_pb2.PlatformSpec())


def test_every_parameter_has_a_type_a_default_and_a_description(documents: dict[str, list[Any]]) -> None:
    parameters = documents["kfp"][0]["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == {
        "train_source", "validation_source", "test_source", "work_root", "registry", "vertex_project", "vertex_region",
        "vocabulary", "candidates", "recipe", "seed", "start_from", "floor", "min_gain", "thresholds",
        "skip_bad_records", "skip_unchanged", "webhook", "code_version",
    }  # fmt: skip
    for name, parameter in parameters.items():
        assert parameter["parameterType"], name
        assert parameter["description"].endswith("."), name
        assert parameter["isOptional"], name
        assert "defaultValue" in parameter, name


def all_tasks(document: Any) -> dict[str, Any]:
    return {name: task for dag in dags(document) for name, task in dag["tasks"].items()}


def dags(document: Any) -> list[dict[str, Any]]:
    return [document["root"]["dag"], *(c["dag"] for c in document["components"].values() if "dag" in c)]


def test_all_steps_are_cached_but_the_look_at_the_source(documents: dict[str, list[Any]]) -> None:
    tasks = all_tasks(documents["kfp"][0])
    uncached = {name for name, task in tasks.items() if not task.get("cachingOptions", {}).get("enableCache")}
    assert uncached - DAGS == UNCACHED
    for name, task in tasks.items():
        if name.startswith("index-videos"):
            parameters = task["inputs"]["parameters"]
            fingerprint = parameters["source_fingerprint"]["componentInputParameter"]
            assert fingerprint == name.replace("index-videos", "pipelinechannel--fingerprint-source") + "-Output"
            assert parameters["code_version"]["componentInputParameter"] == "pipelinechannel--code_version"


def test_whoever_reads_the_vocabulary_is_cached_by_its_content(documents: dict[str, list[Any]]) -> None:
    readers = set()
    for name, task in all_tasks(documents["kfp"][0]).items():
        parameters = task.get("inputs", {}).get("parameters", {})
        if "vocabulary" in parameters and name not in UNCACHED | DAGS:
            readers.add(name)
            source = parameters["vocabulary_fingerprint"]
            place = source.get("componentInputParameter") or source["taskOutputParameter"]["producerTask"]
            assert "check-changes" in place, name
    assert readers == {"statistics", "validate-data", "train", "analyze-errors"}


def test_gpus_go_to_training_and_prediction_alone(documents: dict[str, list[Any]]) -> None:
    names = {"kfp": "nvidia.com/gpu", "vertex": "NVIDIA_L4"}
    for target, (document, *_) in documents.items():
        for name, executor in document["deploymentSpec"]["executors"].items():
            container = executor["container"]
            trains = name.startswith(("exec-train", "exec-predict", "exec-promote"))
            accelerator = container["resources"].get("accelerator", {})
            assert accelerator.get("resourceType") == (names[target] if trains else None), name
            assert f"/yt8m/{'trainer' if trains else 'data'}@sha256:" in container["image"], name


def test_the_kubeflow_file_has_shared_memory_and_both_have_retries(documents: dict[str, list[Any]]) -> None:
    executors = documents["kfp"][1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["exec-train"]["emptyDirMounts"][0] == {
        "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "16Gi", "volumeName": "shared-memory",
    }  # fmt: skip
    assert executors["exec-train"]["nodeSelector"]["labels"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert all(executor["pvcMount"][0]["mountPath"] == "/data" for executor in executors.values())
    for document, *_ in documents.values():
        assert all("retryPolicy" in task for name, task in all_tasks(document).items() if name not in DAGS)


def test_the_winner_and_no_other_is_analysed_and_predicts_the_test_set(documents: dict[str, list[Any]]) -> None:
    tasks = all_tasks(documents["kfp"][0])

    def producer(task: str, artifact: str) -> str:
        return str(tasks[task]["inputs"]["artifacts"][artifact]["taskOutputArtifact"]["producerTask"])

    assert producer("analyze-errors", "predictions") == "select-model"
    assert producer("predict-2", "model") == "select-model"
    assert producer("predict-2", "video_index") == producer("write-submission", "test_index") == "index-videos-3"
    assert producer("write-submission", "predictions") == "predict-2"
    assert producer("rebalance", "video_index") == producer("analyze-errors", "train_index") == "index-videos"
    assert {producer("rebalance", "validation_index"), producer("rebalance", "test_index")} == {
        "index-videos-2", "index-videos-3",
    }  # fmt: skip


def fed_by(tasks: dict[str, Any], name: str) -> set[str]:
    """The tasks of a DAG whose inputs come from a task, directly or not."""
    found = {name}
    while more := {
        task for task, content in tasks.items()
        if task not in found
        and any(source.get("producerTask") in found for group in content.get("inputs", {}).values()
                for entry in group.values() for source in entry.values() if isinstance(source, dict))
    }:  # fmt: skip
        found |= more
    return found - {name}


def waits_for(name: str) -> set[str]:
    """The steps that a step of the pipeline waits for, in a run of one candidate."""
    return before(steps_of(pipeline.pipeline_steps(), ["a"]), {name})


def test_nothing_that_comes_of_a_run_waits_for_what_may_not_be_possible() -> None:
    """Of promotion and submission none keeps the report back; a promotion that failed is passed over."""
    assert not waits_for("publish-results") & {"promote-model", "predict test", "write-submission"}
    assert "publish-results" in waits_for("promote-model")
    assert "promote-model" in waits_for("predict test")
    assert "predict test" in waits_for("write-submission")


def test_the_summary_is_given_the_steps_that_the_pipeline_has(documents: dict[str, list[Any]]) -> None:
    for document, *_ in documents.values():
        (given,) = (task["inputs"]["parameters"]["steps"]["runtimeValue"]["constant"]
                    for name, task in all_tasks(document).items() if name == "summarize-run")  # fmt: skip
        steps = {entry["name"]: entry for entry in given}
        names = {task["taskInfo"]["name"] for name, task in all_tasks(document).items() if name not in DAGS}
        assert set(steps) == names - {"summarize-run"}
        assert {name for name, entry in steps.items() if entry["each"]} == {"train", "predict validate", "evaluate"}
        assert {entry["kind"] for name, entry in steps.items() if "predict" in name} == {"predict"}
        assert {"validate-data", "index-videos test"} <= set(steps["rebalance"]["after"])


def test_a_new_champion_makes_no_result_stale_but_those_that_compare_with_it(documents: dict[str, list[Any]]) -> None:
    (tasks,) = (dag["tasks"] for dag in dags(documents["kfp"][0]) if "validate-data" in dag["tasks"])
    assert fed_by(tasks, "find-champion") == {"validate-data", "promote-model", "publish-results"}
    (loop,) = (name for name in tasks if name.startswith("for-loop"))
    assert loop in fed_by(tasks, "find-champion-2")  # says nothing unless training starts from the champion
    assert "validate-data" in tasks["rebalance"]["dependentTasks"]


def command(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "pipeline.py"), *arguments], cwd=cwd, capture_output=True,
                          text=True, timeout=60)  # fmt: skip


def test_compile_writes_both_files_anywhere(tmp_path: Path) -> None:
    done = command("compile", "--profile", "prod", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out/yt8m-kfp.yaml", "out/yt8m-vertex.yaml"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["yt8m-kfp.yaml", "yt8m-vertex.yaml"]


def test_compile_takes_other_candidates_as_the_default(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("- {name: mine, preset: logistic, overrides: {epochs: 3}}\n")
    assert pipeline.main(["compile", "--candidates", str(tmp_path / "c.yaml"), "-o", str(tmp_path)]) == 0
    document = yaml.safe_load((tmp_path / "yt8m-vertex.yaml").read_text())
    candidates = document["root"]["inputDefinitions"]["parameters"]["candidates"]["defaultValue"]
    assert candidates == [{"name": "mine", "preset": "logistic", "overrides": {"epochs": 3}}]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compile", "--profile", "live"], "there is no profile 'live'; there are dev, local-cluster, test, prod"),
        (["compile", "--candidates", "no.yaml"], "no.yaml: no such file"),
        (["compile", "--settings", "no.yaml"], "no.yaml: no such file"),
        (["run", "--source", "no-such-folder"], "no-such-folder: no such folder"),
        (["run", "--vocabulary", "no.csv"], "no.csv: no such file"),
        (["run", "--recipe", "everything"], "there is no recipe 'everything'"),
        (["run", "--jobs", "9"], "invalid choice: 9"),
        (["run", "--seed", "-1"], "--seed -1: it can be 0 to 4294967295"),
        (["estimate", "x", "--seed", "-1"], "--seed -1"),
        (["reproduce", "--seeds", "-1"], "--seeds: give a whole number of at least 0"),
        (["reproduce", "compile", "--parallelism", "0"], "--parallelism: give a whole number of at least 1"),
        (["run", "--max-frames", "0"], "max_frames"),
        (["walk"], "invalid choice: 'walk'"),
        ([], "required"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert pipeline.main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("pipeline.py: error: ")
    assert says in error


@pytest.mark.parametrize("name", ["compile", "run", "submit", "schedule", "estimate"])
def test_help_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        pipeline.main([name, "--help"])
    assert stop.value.code == 0
    assert f"example: python pipeline.py {name}" in capsys.readouterr().out


if __name__ == "__main__":
    for golden in GOLDEN_FILES:
        (GOLDEN / f"{golden}.yaml").write_text(normalized(compiled(GOLDEN, golden), golden.split("-")[1]))
