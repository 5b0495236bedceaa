"""The commands of the walk-throughs, word for word: against the emulated clusters, and a bucket with real shards."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import pipeline
from targets.compilation import SETTINGS
from tests.promotion.conftest import champion_of, make_model, offer
from tests.targets.conftest import Cluster
from yt8m import cli
from yt8m.storage import cloud

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {"kfp": "kubernetes.md", "vertex": "vertex.md"}
WITH_A_BUCKET, VOLUME = "On GKE", "## 3. Shards on the volume"
PATHS = {"kfp": ["On one node: kind or minikube", "For several users", WITH_A_BUCKET], "vertex": [""]}
PROGRAMS = {"python pipeline.py ": pipeline.main, "yt8m ": cli.main}
BUCKET = "gs://my-bucket/yt8m"


def walk(page: Path, path: str = "") -> str:
    """The text of a page, without what is of other paths than this one: their parts, and the volume beside a bucket."""
    text = page.read_text(encoding="utf-8")
    if not path:
        return text
    parts = re.split(r"^(?=##+ )", text, flags=re.MULTILINE)
    others = ("### ", VOLUME) if path == WITH_A_BUCKET else ("### ",)
    return "".join(part for part in parts if not part.startswith(others) or part.startswith(f"### {path}\n"))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def lines(text: str) -> list[str]:
    """What is typed, a command a line, with the variables that the page sets, without comments."""
    variables: dict[str, str] = {}
    found = []
    for line in "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines():
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        if assigned := re.fullmatch(r'([A-Z]+)="?([^"]*)"?', line):
            variables[assigned[1]] = assigned[2]
        else:
            found.append(line)
    return found


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of this project: the program, and its arguments."""
    return [
        (program, shlex.split(line.removeprefix(program), comments=True))
        for line in lines(text)
        for program in PROGRAMS
        if line.startswith(program)
    ]


@pytest.fixture
def reader(gcs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader has it: shards in the bucket and beside it, a token, settings with digests."""
    gcs.request("POST", "/storage/v1/b", {"name": "my-bucket"})
    cloud.upload(ROOT / "sample" / "train" / "validate0000.tfrecord", f"{BUCKET}/frame/train/train0000.tfrecord")
    for folder in ("sample", "data/frame"):
        for partition in ("train", "validate", "test"):
            shard = next((ROOT / "sample" / partition).glob("*.tfrecord"))
            (tmp_path / folder / partition).mkdir(parents=True)
            (tmp_path / folder / partition / shard.name).symlink_to(shard)
    (tmp_path / "token").write_text("secret")
    settings = yaml.safe_load(SETTINGS.read_text())
    images = {kind: f"registry.example.com/yt8m/{kind}@sha256:{32 * 'ab'}" for kind in ("data", "trainer")}
    settings["profiles"]["prod"]["images"] = images
    (tmp_path / "settings.yaml").write_text(yaml.dump(settings))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def adapted(words: list[str], cluster: Cluster) -> list[str]:
    """A command of the pipeline that meets the emulators; what was typed stays as it is."""
    words = [cluster.address if word == "http://127.0.0.1:8888" else word for word in words]
    words += ["--settings", "settings.yaml"] if "--profile" in words else []
    words += ["--poll-seconds", "0.01"] if "--wait" in words else []
    return words + (["--endpoint", cluster.address] if "--project" in words else [])


def test_every_command_of_a_walk_through_works(cluster: Cluster, reader: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    for path in PATHS[cluster.target]:
        text = walk(DOCS / PAGES[cluster.target], path)
        cluster.reset("secret" if "--token-file" in "".join(lines(text)) else "")
        (parameters,) = blocks(text, "yaml")
        (reader / "parameters.yaml").write_text(parameters)
        index = reader / "build" / "train.parquet"
        index.unlink(missing_ok=True)
        found = commands(text)
        ours = [words for program, words in found if program != "yt8m "]
        assert {words[0] for words in ours} == {"estimate", "submit", "schedule"}
        assert {words[1] for words in ours if words[0] == "schedule"} == {"create", "list", "pause", "resume", "delete"}
        for program, words in found:
            words = words if program == "yt8m " else adapted(words, cluster)
            code = PROGRAMS[program](words)
            assert code == 0, f"{path}: {words}: {capsys.readouterr().err}"
        assert index.exists(), path
    assert "secret" not in "".join(capsys.readouterr())


def test_each_path_of_a_walk_through_is_told_once_and_in_full() -> None:
    page = DOCS / PAGES["kfp"]
    assert re.findall(r"^### (.*)$", walk(page), re.MULTILINE) == PATHS["kfp"]
    for path in PATHS["kfp"]:
        typed = "\n".join(lines(walk(page, path)))
        assert not re.findall(r"\$[A-Z]+", typed), path
        namespaces = set(re.findall(r"-n (\S+)", typed))
        assert namespaces == ({"kubeflow", "my-profile"} if path == "For several users" else {"kubeflow"})
        standalone = path != "For several users"
        assert ("kubeflow-pipelines-edit" in typed, "--token-file" in typed) == (not standalone, not standalone)
    assert "--profile local-cluster" in "\n".join(lines(walk(page, PATHS["kfp"][0])))


def test_what_is_applied_is_kubernetes_own_form() -> None:
    page = DOCS / PAGES["kfp"]
    applied = re.findall(r"<<EOF\n(.*?)\nEOF", walk(page), re.DOTALL)
    kinds = [yaml.safe_load(text).get("kind") for text in applied]
    assert kinds == ["PersistentVolumeClaim", "Profile", "PersistentVolumeClaim", None, "Pod"]
    defaults = yaml.safe_load(yaml.safe_load(applied[3])["data"]["workflowDefaults"])
    assert defaults["spec"]["templateDefaults"] == {"retryStrategy": {"limit": "0", "retryPolicy": "Always"}}


def test_the_commands_about_champions_work(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = f"{BUCKET}/work/registry"
    fair, good = (make_model(reader / "work", name, quality) for name, quality in (("fair", 1.2), ("good", 2.0)))
    offer(fair, registry)
    offer(good, registry, fair)
    assert cli.main(["index", f"{BUCKET}/frame/train", "-o", "build/train.parquet"]) == 0
    found = commands(walk(DOCS / "retraining.md"))
    assert [words[0] for _, words in found] == ["promote", "promote", "estimate"]
    for program, words in found:
        words += ["--settings", "settings.yaml"] if "--profile" in words else []
        assert PROGRAMS[program](words) == 0, f"{words}: {capsys.readouterr().err}"
    said = capsys.readouterr().out
    assert "complaints about music labels" in said
    assert "GPU hours" in said
    assert champion_of(registry) == fair.fingerprint


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_every_command_is_one_that_there_is(page: Path) -> None:
    """Programs, options, make targets, and files of this repository; values are tried by those who run the command."""
    found = commands(walk(page))
    assert found
    for program, words in found:
        if "--help" not in words:
            cli._parse(words) if program == "yt8m " else pipeline.parse(words)
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", "\n".join(lines(walk(page))), re.MULTILINE):
        assert f"\n{target}:" in makefile, target


def test_nothing_else_is_typed_but_what_belongs_to_the_cluster() -> None:
    known = (*PROGRAMS, "make ", "source .venv/bin/activate", "kubectl ", "kind ", "gcloud ")
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for line in re.sub(r"<<EOF\n.*?\nEOF", "", "\n".join(lines(walk(page))), flags=re.DOTALL).splitlines():
            assert line.startswith(known) or not line, f"{page.name}: {line}"
