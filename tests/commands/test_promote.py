"""The command: what it prints, its exit codes, and its wrong uses."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Vertex
from tests.promotion.conftest import VIDEOS, make_model
from yt8m.cli import main
from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.promotion import vertex as vertex_module
from yt8m.registry.champions import Registry
from yt8m.storage import write_json


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the models `fair` and `good`, whose predictions of the champion are made from a file."""
    monkeypatch.chdir(tmp_path)
    made = {name: make_model(tmp_path, name, quality, saved_model=True) for name, quality in QUALITIES.items()}
    write_ids(tmp_path / "validate.parquet")

    def predict(uri: str, index: Path, output: Path, who: str, **how: object) -> Path:
        return next(model.predictions for model in made.values() if f"/{model.fingerprint}-" in uri)

    monkeypatch.setattr("yt8m.promotion.predict_and_promote._predict", predict)
    return tmp_path


QUALITIES = {"fair": 1.2, "good": 2.0}


def write_ids(path: Path) -> None:
    ids = np.array([f"{number:04d}".encode() for number in range(VIDEOS)])
    none, zeros = np.full(VIDEOS, -1), np.zeros(VIDEOS, np.int32)
    write_index(path, VideoIndex(ids, none, none, zeros, zeros, np.empty(0, np.int32), np.zeros(VIDEOS + 1, int),
                                 level="labels"))  # fmt: skip


def promote(name: str, *more: str) -> int:
    return main(["promote", f"{name}/model", "--registry", "r", "--index", "validate.parquet", "--predictions",
                 f"{name}.parquet", *more])  # fmt: skip


def test_a_story_of_two_models(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--registry", "r", "--show"]) == 0
    assert capsys.readouterr().out == "r: no champion yet, 0 refused\n"
    assert promote("fair", "--floor", "0.7") == 0
    assert (
        "not promoted, because its GAP 0.61204 is not above the floor 0.7.\nno champion yet" in capsys.readouterr().out
    )
    assert promote("fair", "--card", "card.html") == 0
    out = capsys.readouterr().out
    assert out.startswith("fair (")
    assert "): promoted, because it is the first champion, and its GAP 0.61204 is above the floor 0.5.\n" in out
    assert "\nmodel card  r/cards/" in out
    assert (work / "card.html").read_text().startswith("<!doctype html>")
    assert promote("good", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["promoted"], result["champion"]["number"]) == (True, 2)
    assert promote("good") == 0
    assert "not promoted, because it is the champion already, since change 2" in capsys.readouterr().out
    assert main(["promote", "--registry", "r", "--rollback", "--reason", "a bad night"]) == 0
    assert "The champion is fair (" in capsys.readouterr().out
    assert promote("good") == 0
    assert "--again" in capsys.readouterr().out
    assert main(["promote", "--registry", "r", "--show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("champion  fair (")
    assert [line.split()[0] for line in lines[2:]] == ["1", "2", "3", "-"]
    assert "refused    fair" in lines[5]
    assert promote("good", "--again") == 0
    assert "promoted, because" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--registry", "r"], "to promote, MODEL and --index are needed"),
        (["fair/model"], "--registry"),
        (["fair/model", "--registry", "r"], "MODEL and --index are needed"),
        (["fair/model", "--registry", "r", "--rollback"], "--show and --rollback are by themselves"),
        (["--registry", "r", "--rollback", "--show"], "--show and --rollback are by themselves"),
        (["--registry", "r", "--rollback"], "there is no champion yet"),
        (["fair/model", "--registry", "r", "--index", "i", "--floor", "2"], "--floor 2: a GAP from 0 to below 1"),
        (["fair/model", "--registry", "r", "--index", "i", "--vertex-project", "p"], "both are needed"),
        (["fair/model", "--registry", "r", "--index", "i", "--vertex-project", "p", "--vertex-region", "e"],
         "Vertex AI reads models from gs:// alone"),
        (["fair/model", "--registry", "r", "--index", "none.parquet"], "make one with `yt8m index`"),
        (["none", "--registry", "r", "--index", "validate.parquet"], "there is no model.json"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(
    work: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["promote", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (work / "r").exists()


def test_a_change_that_came_first_is_told_with_exit_code_2(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Registry.add

    def somebody_is_faster(self: Registry, change: object) -> None:
        monkeypatch.setattr(Registry, "add", add)
        assert promote("good") == 0
        capsys.readouterr()
        add(self, change)

    monkeypatch.setattr(Registry, "add", somebody_is_faster)
    assert promote("fair") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "yt8m: error: r: another promotion came first, the champion is now good" in line


def test_publishing_to_vertex_is_reported(
    work: Path,
    vertex: Vertex,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vertex_module, "POLL_SECONDS", 0.01)
    where = ["--registry", "gs://bucket/r", "--vertex-project", "tagging", "--vertex-region", "us-central1",
             "--vertex-endpoint", vertex.endpoint]  # fmt: skip
    write_json("gs://bucket/other", 1)
    for name in QUALITIES:
        assert promote(name, *where) == 0
    out = capsys.readouterr().out
    model = "projects/tagging/locations/us-central1/models/yt8m"
    assert f"Vertex AI   {model}@2 is `champion` (uploaded now)" in out
    assert main(["promote", *where, "--rollback"]) == 0
    assert f"Vertex AI   {model}@1 is `champion` (was there)" in capsys.readouterr().out
    assert "champion" in vertex.models()[model]["1"]["aliases"]
