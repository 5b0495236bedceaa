"""Estimates: sums of an index and a table that can be reckoned by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import pipeline
from targets.estimate import Sizes, make_training_set, sizes_of
from targets.prices import TABLE as PRICES
from targets.prices import gigabytes_of, read_prices
from yt8m.checks.throughput import TABLE as THROUGHPUT
from yt8m.data.records.labels_csv import read_labels_csv
from yt8m.presets import load_preset

VIDEOS = 1600


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("VideoId,Labels\n" + "".join(f"v{i},{i % 9} {9 + i % 2}\n" for i in range(VIDEOS)))
    return path


def estimate(capsys: pytest.CaptureFixture[str], *options: object) -> Any:
    assert pipeline.main(["estimate", *map(str, options), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_steps_videos_and_bytes_follow_from_the_index(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = estimate(capsys, labels, "--profile", "prod")
    parts = {part["name"]: part for part in made["parts"]}
    preset = load_preset("paper-netvlad")
    checked = min(preset["validation_videos"], round(VIDEOS * 1.11 / 3.9)) * preset["epochs"] / preset["validate_every"]
    assert parts["train netvlad"]["steps"] == [25, 25]  # 2.5 epochs of 1,600 videos, 160 a step
    assert parts["train netvlad"]["videos"] == pytest.approx([2.5 * VIDEOS + checked] * 2)
    assert parts["train netvlad"]["bytes"][0] == pytest.approx(251_000 * (2.5 * VIDEOS + checked))
    low, high = made["gpu_hours"]
    assert 0 < low < high
    assert made["bytes"][0] == pytest.approx(sum(part["bytes"][0] for part in made["parts"]))
    hours = {kind: sum(part["hours"][1] for part in made["parts"] if part["kind"] == kind)
             for kind in ("data", "train", "predict")}  # fmt: skip
    assert high == pytest.approx(hours["train"] + hours["predict"])


def test_more_videos_cost_more_and_a_second_partition_is_counted(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = estimate(capsys, labels)
    many = tmp_path / "many.csv"
    many.write_text("VideoId,Labels\n" + "".join(f"v{i},{i % 9}\n" for i in range(20 * VIDEOS)))
    more = estimate(capsys, many)
    assert more["gpu_hours"][1] > few["gpu_hours"][1]
    assert more["cost"][1] > few["cost"][1]
    tested = estimate(capsys, labels, "--test", many)
    assert next(part for part in tested["parts"] if part["name"] == "predict test")["videos"] == [20 * VIDEOS] * 2
    assert len(tested["assumed"]) == len(few["assumed"]) - 1


def test_a_recipe_changes_what_is_read(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels.write_text("VideoId,Labels\n" + "".join(f"v{i},{i % 9}\n" for i in range(VIDEOS)))
    plain, hard = (estimate(capsys, labels, "--recipe", name)["parts"][1] for name in ("all", "hard-x3"))
    assert hard["steps"][0] == 3 * plain["steps"][0]
    index = read_labels_csv(labels)
    assert make_training_set(index, "all", 0).phase_size(0) == VIDEOS


def test_an_index_with_positions_is_not_guessed_at(labels: Path) -> None:
    index = read_labels_csv(labels)
    assert sizes_of(index, {}).video_bytes == 251_000
    index.lengths[:] = np.arange(VIDEOS)
    assert sizes_of(index, {"test": index}) == Sizes(
        {"train": VIDEOS, "validation": 455, "test": VIDEOS}, (VIDEOS - 1) / 2,
        ("455 validation videos, the share of the published dataset",),
    )  # fmt: skip


def test_it_names_rows_prices_and_their_date(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.main(["estimate", str(labels)]) == 0
    out = capsys.readouterr().out
    for text in ("GPU hours", "computed: ", "of the roofline", "as of 2025; check them", "1 x NVIDIA_L4 at 0.56",
                 "assumed: 251 KB a video"):  # fmt: skip
        assert text in out


def test_spot_machines_and_rates_change_the_price(labels: Path, tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    settings = yaml.safe_load(Path("settings.yaml").read_text())
    regular = estimate(capsys, labels)["cost"]
    settings["profiles"]["prod"]["steps"]["train"]["spot"] = "gke"
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.dump(settings))
    assert estimate(capsys, labels, "--settings", path)["cost"][1] < regular[1]
    assert estimate(capsys, labels, "--settings", path, "--target", "vertex")["cost"] == regular
    settings["profiles"]["prod"]["rates"] = {"data": 0, "train": 0, "predict": 0}
    path.write_text(yaml.dump(settings))
    assert estimate(capsys, labels, "--settings", path)["cost"] == [0, 0]


@pytest.mark.parametrize(("change", "says"), [
    ({"gpus": {"NVIDIA_L4": {"regular": -1, "spot": 0}}}, "NVIDIA_L4: a price, such as"),
    ({"cpu_core": 3}, "cpu_core: a price, such as"), ({"gpus": {}}, "there is no price of NVIDIA_L4"),
    ({"euro": 1}, "there is no key 'euro'"),
])  # fmt: skip
def test_a_wrong_price_is_one_line(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                   change: dict[str, Any], says: str) -> None:  # fmt: skip
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.dump({**yaml.safe_load(PRICES.read_text()), **change}))
    assert pipeline.main(["estimate", str(labels), "--prices", str(path)]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_wrong_files_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.yaml").write_text("cards: {}")
    (tmp_path / "slow.yaml").write_text(THROUGHPUT.read_text().replace("float32: 60", "float32: -60"))
    (tmp_path / "empty.csv").write_text("VideoId,Labels\nv1,\n")
    for options, says in (
        ([str(tmp_path / "none.csv")], "none.csv: no such file"),
        ([str(tmp_path / "empty.csv")], "no labelled video"),
        ([str(tmp_path / "empty.csv"), "--throughput", str(tmp_path / "t.yaml")], "it needs cards"),
        ([str(tmp_path / "empty.csv"), "--throughput", str(tmp_path / "slow.yaml")], "a number above 0 is needed"),
    ):
        assert pipeline.main(["estimate", *options]) == 2
        assert says in capsys.readouterr().err.splitlines()[-1]


def test_quantities_of_kubernetes() -> None:
    assert (gigabytes_of("16G"), gigabytes_of("1Gi"), gigabytes_of("500M")) == (16, 1.073741824, 0.5)
    assert read_prices().currency == "USD"
