"""Real models, predicted anew on the same half of real videos, and the better one promoted."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yt8m.checks.profile import profile_of
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.records.build import build_index
from yt8m.data.records.video_index import read_index, write_index
from yt8m.errors import InputError
from yt8m.evaluation.holdout_split import in_half
from yt8m.prediction.predict import predict
from yt8m.promotion import Terms, Thresholds, roll_back, show
from yt8m.promotion.baseline import champion_profile
from yt8m.promotion.predict_and_promote import predict_and_promote, promote_step
from yt8m.storage import copy_file, read_json, write_json
from yt8m.training.train import train

pytestmark = pytest.mark.usefixtures("plain_steps")

SAMPLE = Path(__file__).parents[2] / "sample"
LOW = Terms(Thresholds(floor=0.0))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models of real video-level records, of which `long` has learned more, and a validation index."""
    folder = tmp_path_factory.mktemp("made")
    build_index([str(SAMPLE / "train" / "validate0000.tfrecord")], folder / "train.parquet")
    build_index([str(SAMPLE / "validate" / "validate0050.tfrecord")], folder / "validation.parquet")
    build_training_set(folder / "train.parquet", "all", folder / "set.parquet")
    for name, epochs in (("short", 0.2), ("long", 2)):
        overrides = {"epochs": epochs, "batch_size": 32}
        train(folder / "set.parquet", folder / "validation.parquet", "logistic", folder / name, overrides=overrides)
    return {"folder": folder, "index": folder / "validation.parquet", "set": folder / "set.parquet"}


@pytest.mark.parametrize("place", ["local", "gs"])
def test_the_one_that_learned_more_becomes_champion_and_back(
    made: dict[str, Path], tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    if place == "gs":
        request.getfixturevalue("gcs")
    registry = str(tmp_path / "registry") if place == "local" else "gs://bucket/registry"
    short = tmp_path / "work" / "short"
    shutil.copytree(made["folder"] / "short", short)
    first = predict_and_promote(short, registry, made["index"], terms=LOW)
    assert first["promoted"]
    shutil.rmtree(tmp_path / "work")
    second = predict_and_promote(made["folder"] / "long", registry, made["index"], terms=LOW)
    assert second["promoted"], second["reason"]
    assert second["decision"]["gain"]["verdict"] == "better"
    videos = read_index(made["index"])
    assert second["decision"]["scores"]["videos"] == in_half(videos.video_ids, "promotion").sum()
    assert second["decision"]["champion"]["scores"]["gap"] == pytest.approx(first["decision"]["scores"]["gap"])
    assert roll_back(registry)["champion"]["fingerprint"] == first["model"]["fingerprint"]
    assert len(show(registry)["history"]) == 3


def test_predictions_that_are_there_decide_the_same(made: dict[str, Path], tmp_path: Path, gcs: Any) -> None:
    """As a pipeline step: the challenger's manifest names its files at the work root, its predictions are there."""
    folder = made["folder"]
    for name in ("model.json", "model.weights.h5"):
        copy_file(folder / "long" / "model" / name, f"gs://bucket/work/model/{name}")
    manifest = json.loads((folder / "long" / "model" / "model.json").read_text())
    (tmp_path / "model").write_text(json.dumps({**manifest, "uri": "gs://bucket/work/model", "candidate": {}}))
    predict([folder / "long"], made["index"], tmp_path / "predictions.parquet")
    write_json(tmp_path / "profile.json", profile_of(read_index(folder / "train.parquet")))
    registry = "gs://bucket/work/registry"
    predict_and_promote(folder / "short", registry, made["index"], terms=LOW)
    shown = promote_step(
        tmp_path / "model", registry, made["index"], tmp_path / "decision.json",
        predictions=tmp_path / "predictions.parquet", profile=tmp_path / "profile.json", floor=0.0, min_gain=None,
        vocabulary="", training_set=made["set"], card=tmp_path / "card.html",
    )  # fmt: skip
    assert shown["promoted"] is True
    assert (shown["champion"], shown["number"]) == (manifest["fingerprint"], 2)
    decision = json.loads((tmp_path / "decision.json").read_text())
    assert read_json(str(champion_profile(registry))) == read_json(tmp_path / "profile.json")
    anew = predict_and_promote(folder / "long", str(tmp_path / "other"), made["index"], terms=LOW)
    assert decision["decision"]["scores"] == anew["decision"]["scores"]
    assert "Model card: logistic" in (tmp_path / "card.html").read_text()
    assert promote_step(
        tmp_path / "model", registry, made["index"], tmp_path / "decision.json",
        predictions="not read again", profile=tmp_path / "profile.json", floor=0.0, min_gain=None,
        card=tmp_path / "card.html",
    )["promoted"] is False  # fmt: skip


def test_a_champion_that_cannot_predict_the_videos_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    predict_and_promote(made["folder"] / "short", registry, made["index"], terms=LOW)
    videos = read_index(made["index"])
    write_index(tmp_path / "frames.parquet", replace(videos, level="frame"))
    predict([made["folder"] / "long"], made["index"], tmp_path / "predictions.parquet")
    with pytest.raises(
        InputError, match=r"registry/models/\S+ \(the champion logistic\) cannot predict these videos: "
    ):
        predict_and_promote(
            made["folder"] / "long", registry, tmp_path / "frames.parquet",
            predictions=tmp_path / "predictions.parquet", terms=LOW,
        )  # fmt: skip
    assert len(show(registry)["history"]) == 1


def test_an_index_without_the_promotion_half_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    videos = read_index(made["index"])
    write_index(tmp_path / "half.parquet", videos.take(in_half(videos.video_ids, "selection")))
    with pytest.raises(InputError, match=r"half\.parquet: none of its \d+ videos is of the promotion half"):
        predict_and_promote(made["folder"] / "short", str(tmp_path / "registry"), tmp_path / "half.parquet", terms=LOW)
    assert not (tmp_path / "registry").exists()
