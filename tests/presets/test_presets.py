import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from yt8m import models
from yt8m.errors import InputError
from yt8m.models import losses
from yt8m.models.size import measure
from yt8m.presets import load_preset, parse_overrides, preset_names
from yt8m.presets.schema import parse_yaml
from yt8m.training import schedules

PAPER = {"paper-baseline-schedule": 290_654_968, "paper-netvlad": 290_654_968, "paper-netfv": 303_549_240}


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_names_what_exists(name: str) -> None:
    preset = load_preset(name)
    schedules.create(**preset["schedule"], batch_size=preset["batch_size"], epoch_examples=1000, total_examples=2500)
    losses.create(**preset["loss"])
    assert preset["name"] == name
    settings = {key: value for key, value in preset["model"].items() if key != "name"}
    size = measure(preset["model"]["name"], 3862, level=preset["level"], **settings)
    assert size.parameters == PAPER.get(name, size.parameters)


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_says_what_it_is_how_large_and_how_good(name: str) -> None:
    text = (Path(models.__file__).parents[1] / "presets" / "training" / f"{name}.yaml").read_text()
    lines = text.splitlines()
    comment = " ".join(line.removeprefix("# ") for line in itertools.takewhile(lambda x: x.startswith("#"), lines))
    assert re.match(r"\S.*\. ", comment)
    assert re.search(r"GAP@20\D*0\.\d", comment)
    millions, megabytes = re.search(r"([\d.]+)M parameters, ([\d.]+) MB", comment).groups()
    model = load_preset(name)["model"]
    size = measure(model.pop("name"), 3862, **model)
    for written, value in ((millions, size.parameters / 1e6), (megabytes, size.bytes() / 1e6)):
        digits = len(written.partition(".")[2])
        assert written == f"{value:.{digits}f}"


def test_the_papers_schedules_are_those_of_the_paper() -> None:
    """The table in the paper's section on learning rates: at 0.5, just before 1, at 1, 2 and 2.5 epochs of 4.0M."""
    rates = {}
    for name in ("paper-netvlad", "paper-baseline-schedule"):
        preset = load_preset(name)
        schedule = schedules.create(
            **preset["schedule"], batch_size=preset["batch_size"], epoch_examples=4_000_000, total_examples=10_000_000
        )
        rates[name] = [float(schedule(step)) for step in (12_500, 24_999, 25_000, 50_000, 62_500)]
    assert rates["paper-netvlad"] == pytest.approx(
        [3.2768e-3, 1.34218e-3, 1.07374e-3, 1.15292e-4, 3.77789e-5], rel=1e-4
    )
    assert rates["paper-baseline-schedule"] == pytest.approx([1e-3, 1e-3, 9.5e-4, 9.025e-4, 9.025e-4], rel=1e-5)


def test_overrides_reach_any_depth() -> None:
    preset = load_preset("netvlad-small", {"model.clusters": 4, "batch_size": 8, "frames.train.count": 5})
    assert preset["model"]["clusters"] == 4
    assert preset["model"]["name"] == "netvlad"
    assert preset["frames"]["train"] == {"kind": "random", "count": 5}
    assert load_preset("netvlad-small")["batch_size"] != 8


def test_a_file_serves_as_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in load_preset("logistic").items() if k != "name"}))
    assert load_preset(file) == {**load_preset("logistic"), "name": "mine"}


def test_settings_are_typed_as_in_yaml() -> None:
    settings = ["a=16", "b.c=0.5", "d=1e-8", "e=true", "f=null", "g=0.1 epoch", "h={kind: even, count: 3}", "i=x=y"]
    assert parse_overrides(settings) == {
        "a": 16, "b.c": 0.5, "d": 1e-8, "e": True, "f": None, "g": "0.1 epoch", "h": {"kind": "even", "count": 3},
        "i": "x=y",
    }  # fmt: skip


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_that_python_writes_is_read_back(value: float) -> None:
    assert parse_yaml(repr(value)) == value
    assert isinstance(parse_yaml(repr(value)), float)


@pytest.mark.parametrize(
    ("name", "overrides", "words"),
    [
        ("netvald", {}, ["netvald", "netvlad-small", "YAML"]),
        ("no/such.yaml", {}, ["no/such.yaml", "no such file"]),
        ("logistic", {"batchsize": 3}, ["batchsize", "batch_size"]),
        ("logistic", {"batch_size": 0}, ["batch_size", "positive whole number", "0"]),
        ("logistic", {"batch_size": 1.5}, ["batch_size", "1.5"]),
        ("logistic", {"batch_size": True}, ["batch_size", "True"]),
        ("logistic", {"epochs": "many"}, ["epochs", "many"]),
        ("logistic", {"epochs": float("inf")}, ["epochs", "inf"]),
        ("logistic", {"level": "audio"}, ["audio", "frame, video"]),
        ("logistic", {"optimizer.name": "sgd"}, ["sgd", "adam"]),
        ("logistic", {"optimizer.momentum": 0.9}, ["momentum", "beta_1"]),
        ("logistic", {"optimizer.clipnorm": -1}, ["clipnorm", "-1"]),
        ("logistic", {"model": "moe"}, ["model", "moe"]),
        ("logistic", {"epochs.x": 1}, ["epochs", "leave out '.x'"]),
        ("netvlad-small", {"frames.train.kind": "odd"}, ["odd", "random, contiguous, even, all"]),
        ("netvlad-small", {"frames.train.count": 301}, ["301", "300"]),
        ("netvlad-small", {"frames.predict.kind": "random"}, ["frames.predict", "random", "even or all"]),
        ("netvlad-small", {"frames.validate": 1}, ["frames", "validate", "train, predict"]),
        ("netvlad-small", {"frames.train.size": 1}, ["frames.train", "size", "kind, count"]),
        ("netvlad-small", {"start_at_label_rates": 1}, ["start_at_label_rates", "true or false"]),
        ("netvlad-small", {"batch_norm_momentum": 1.0}, ["batch_norm_momentum", "below 1"]),
    ],
)
def test_a_wrong_preset_is_refused_in_one_line(name: str, overrides: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        load_preset(name, overrides)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [("model: {name: logistic", "line 1"), ("- a", "mapping"),
     ("epochs: 1", "'model' is missing; it needs model, level, loss, schedule, optimizer, batch_size, epochs$")],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InputError, match=word) as error:
        load_preset(tmp_path / "x.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("setting", ["batch_size", "=3", "a={b"])
def test_a_wrong_setting_is_refused(setting: str) -> None:
    with pytest.raises(InputError, match="--set"):
        parse_overrides([setting])
