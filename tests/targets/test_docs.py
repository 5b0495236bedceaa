"""The commands of the walk-throughs, word for word, against the emulated clusters."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

import pipeline
from targets.compilation import SETTINGS
from tests.targets.conftest import Cluster

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"kfp": "kubernetes.md", "vertex": "vertex.md"}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The commands of this pipeline, with the variables that the page sets."""
    variables: dict[str, str] = {}
    found = []
    for line in "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines():
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        if assigned := re.fullmatch(r'([A-Z]+)="?([^"]*)"?', line):
            variables[assigned[1]] = assigned[2]
        elif line.startswith("python pipeline.py "):
            found.append(shlex.split(line)[2:])
    return found


@pytest.fixture
def reader(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader has it: the parameters of the page, a token, an index, settings with digests."""
    page = PAGES[cluster.target]
    (parameters,) = blocks(page, "yaml")
    (tmp_path / "parameters.yaml").write_text(parameters.replace("my-bucket", "bucket"))
    (tmp_path / "token").write_text("secret")
    (tmp_path / "labels.csv").write_text("VideoId,Labels\n" + "".join(f"v{i},{i % 9}\n" for i in range(900)))
    settings = yaml.safe_load(SETTINGS.read_text())
    images = {kind: f"registry.example.com/yt8m/{kind}@sha256:{32 * 'ab'}" for kind in ("data", "trainer")}
    settings["profiles"]["prod"]["images"] = images
    (tmp_path / "settings.yaml").write_text(yaml.dump(settings))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def adapted(words: list[str], cluster: Cluster) -> list[str]:
    """A command with what stands for the reader's own put in its place."""
    places = {"http://127.0.0.1:8888": cluster.address, "gs://my-bucket": "gs://bucket",
              "build/train.parquet": "labels.csv"}  # fmt: skip
    words = [places.get(word, word.replace("gs://my-bucket", "gs://bucket")) for word in words]
    words += ["--settings", "settings.yaml"] if "--profile" in words else []
    words += ["--poll-seconds", "0.01"] if "--wait" in words else []
    return words + (["--endpoint", cluster.address] if "--project" in words else [])


def test_every_command_of_a_walk_through_works(cluster: Cluster, reader: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    cluster.reset("secret" if cluster.target == "kfp" else "")
    found = commands(PAGES[cluster.target])
    assert {words[0] for words in found} == {"estimate", "submit", "schedule"}
    assert {words[1] for words in found if words[0] == "schedule"} == {"create", "list", "pause", "resume", "delete"}
    for words in found:
        code = pipeline.main(adapted(words, cluster))
        assert code == 0, f"{words}: {capsys.readouterr().err}"
    assert "secret" not in "".join(capsys.readouterr())


def test_every_page_names_commands_that_there_are() -> None:
    for page in DOCS.glob("*.md"):
        for words in commands(page.name):
            assert words[0] in pipeline.COMMANDS.split("|"), words
