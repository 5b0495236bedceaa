"""The pipeline of the paper's experiments: its compiled files, its command line, and a cluster that takes it.
`python tests/targets/test_reproduction.py` renews the golden files, for a change that is meant."""

import re
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

import pipeline
from targets.cluster import TARGETS
from targets.compilation import SETTINGS
from targets.journal import StepFailed
from targets.reproduction import compile_reproduction, with_verb
from targets.settings import load_profile
from tests.targets.conftest import Cluster

GOLDEN = Path(__file__).parents[1] / "golden" / "pipeline"
LOOPS = {"for-loop-2", "for-loop-3", "exit-handler-1"}


def compiled(folder: Path, target: Any) -> str:
    path = folder / f"reproduce-{target}.yaml"
    compile_reproduction(target, load_profile(SETTINGS, "dev"), path, pipeline.make_reproduction)
    return re.sub(r"sdkVersion: \S+", "sdkVersion: SDK", path.read_text())


@pytest.mark.parametrize("target", TARGETS)
def test_a_compiled_file_is_the_golden_one_and_what_the_official_messages_say(tmp_path: Path, target: str) -> None:
    text = compiled(tmp_path, target)
    assert text == (GOLDEN / f"reproduce-{target}.yaml").read_text(), "meant? then run this file"
    specification, *platform = yaml.safe_load_all(text)
    json_format.ParseDict(specification, pipeline_spec_pb2.PipelineSpec())
    assert len(platform) == (target == "kfp")


def test_it_loops_over_trainings_then_over_experiments_and_caches_nothing(tmp_path: Path) -> None:
    document = next(iter(yaml.safe_load_all(compiled(tmp_path, "kfp"))))
    inner = document["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    trainings, experiments = inner["for-loop-2"], inner["for-loop-3"]
    assert trainings["dependentTasks"] == ["prepare-reproduction"]
    assert trainings["iteratorPolicy"] == {"parallelismLimit": 4}
    assert experiments["dependentTasks"] == ["list-experiments"]
    assert inner["list-experiments"]["dependentTasks"] == ["for-loop-2", "prepare-reproduction"]
    assert list(document["components"]["comp-for-loop-2"]["dag"]["tasks"]) == ["train-run"]
    assert list(document["components"]["comp-for-loop-3"]["dag"]["tasks"]) == ["judge-experiment"]
    dags = [document["root"]["dag"], *(c["dag"] for c in document["components"].values() if "dag" in c)]
    for name, task in ((name, task) for dag in dags for name, task in dag["tasks"].items() if name not in LOOPS):
        assert not task.get("cachingOptions", {}).get("enableCache"), name
        assert "retryPolicy" in task, name


def test_only_trainings_get_a_gpu(tmp_path: Path) -> None:
    document = next(iter(yaml.safe_load_all(compiled(tmp_path, "vertex"))))
    for name, executor in document["deploymentSpec"]["executors"].items():
        assert ("accelerator" in executor["container"]["resources"]) == (name == "exec-train-run"), name


def test_a_cluster_takes_it(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.main(["reproduce", "submit", *cluster.options, "--wait", "--poll-seconds", "0.01", *parameters(
        scale="simulated", train_source="gs://bucket/train", validation_source="gs://bucket/validate",
        work_root="gs://bucket/work", experiments="[figure-3, figure-4]",
    )]) == 0  # fmt: skip
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert "train-run: succeeded" in err
    assert err.rstrip().endswith("run succeeded")


def parameters(**values: str) -> list[str]:
    return [word for name, value in values.items() for word in ("--set-parameter", f"{name}={value}")]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"scale": "large"}, "there are sample, simulated, full"),
        ({"experiments": "[figure-9]"}, "there is no such experiment"),
        ({"experiments": "figure-9"}, "a list, such as"),
        ({"work_root": "/tmp/work"}, "parameter work_root: "),
        ({"recipe": "all"}, "the pipeline has no such parameter"),
    ],
)
def test_what_no_run_could_take_is_refused_before_it_is_sent(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], values: dict[str, str], says: str
) -> None:
    places = {name: f"gs://bucket/{name}" for name in ("train_source", "validation_source", "work_root")}
    given = parameters(**{"scale": "simulated", **places, **values})
    assert pipeline.main(["reproduce", "submit", *cluster.options, *given]) == 2
    assert says in capsys.readouterr().err
    assert not [entry for entry in cluster.log() if entry[0] == "POST" and entry[1] == cluster.runs]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["reproduce"], ["reproduce", "run"]),
        (["reproduce", "--scale", "sample"], ["reproduce", "run", "--scale", "sample"]),
        (["reproduce", "submit", "--wait"], ["reproduce", "submit", "--wait"]),
        (["reproduce", "--help"], ["reproduce", "--help"]),
        (["run", "--seed", "1"], ["run", "--seed", "1"]),
    ],
)
def test_reproduce_alone_runs_here(words: list[str], meant: list[str]) -> None:
    assert with_verb(words) == meant


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--scale", "huge"], "there are sample, simulated, full"),
        (["--scale", "simulated"], "--train is missing"),
        (["--only", "figure-9"], "there is no such experiment"),
    ],
)
def test_wrong_options_of_a_run_here_are_one_line(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipeline.main(["reproduce", *options, "-o", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_with_yes_a_failed_estimate_stops_nothing(
    cluster: Cluster, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("targets.reproduction.sys.executable", shutil.which("false"))
    given = parameters(**{name: f"gs://bucket/{name}" for name in ("train_source", "validation_source", "work_root")})
    assert pipeline.main(["reproduce", "submit", *cluster.options, *given]) == 2
    assert "the estimate failed (see the line above); go on without one with --yes" in capfd.readouterr().err
    assert cluster.done("POST", cluster.runs) == 0
    assert pipeline.main(["reproduce", "submit", *cluster.options, *given, "--yes"]) == 0
    assert "going on without one, as --yes says" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["run"], "python pipeline.py run --resume --output here"),
        (["reproduce", "-o", "there"], "run the same command again"),
    ],
)
def test_how_to_continue_fits_the_command(
    command: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(raised: BaseException) -> int:
        def parse(_: Any) -> Namespace:
            def fail(_: Any) -> None:
                raise raised

            return Namespace(command=command[0], run=fail)

        monkeypatch.setattr(pipeline, "parse", parse)
        return pipeline.main(command)

    assert run(StepFailed("train", "no memory", wrong_input=False, log="here/run.log")) == 1
    assert capsys.readouterr().err.endswith(f"to continue: {says}\n")
    assert run(KeyboardInterrupt()) == 130
    assert ("--resume" in capsys.readouterr().err) == (command[0] == "run")


if __name__ == "__main__":
    for name in TARGETS:
        (GOLDEN / f"reproduce-{name}.yaml").write_text(compiled(GOLDEN, name))
