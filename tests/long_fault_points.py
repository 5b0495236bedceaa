"""Killed before each of its operations on files, a command that is run again ends as if nothing had been."""
# ruff: noqa: F811  (a fixture's name is that of the argument)

import importlib.util
import json
import random
import re
import shutil
from pathlib import Path

import pytest

from tests.fault_points import Warm, kill_before_each_operation
from tests.promotion.conftest import make_model
from tests.test_fault_points import source, warm  # noqa: F401  (fixtures)
from yt8m.cli import main
from yt8m.data.records.tfrecord import iterate
from yt8m.promotion import promote, roll_back, show
from yt8m.storage import file_crc32c

SAMPLE = Path(__file__).parents[1] / "sample"


def test_export(warm: Warm, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "damaged")
    path = sorted((tmp_path / "damaged").glob("*.tfrecord"))[0]
    offset, payload = list(iterate(path))[7]
    content = bytearray(path.read_bytes())
    content[offset + 12 + len(payload) // 2] ^= 1
    path.write_bytes(content)
    command = ["export", str(source / "set.parquet"), "--shards=2", "--workers=1", "--skip-bad-records"]
    kill_before_each_operation(
        warm, lambda folder: [*command, "--source", str(path.parent), "-o", str(folder / "out")], tmp_path / "place"
    )


def test_simulate(warm: Warm, source: Path, tmp_path: Path) -> None:
    def look(folder: Path) -> None:
        manifest = folder / "out" / "simulation.json"
        if manifest.exists():
            assert json.loads(manifest.read_text())["kind"] == "simulation"

    kill_before_each_operation(
        warm,
        lambda folder: ["simulate", str(source), "--max-frames=4", "--workers=1", "-o", str(folder / "out")],
        tmp_path,
        growing=["out/simulation.json"],
        look=look,
    )


def test_the_writers_of_tables_and_pages(warm: Warm, source: Path, tmp_path: Path) -> None:
    made = make_model(tmp_path / "made", "fair", 1.2)
    index, predictions = str(source / "index.parquet"), str(made.predictions)
    commands = {
        "rebalance": [index, "--recipe", "hard-x3", "-o", "set.parquet"],
        "statistics": [index, "-o", "statistics"],
        "validate": [index, "-o", "validation"],
        "evaluate": [predictions, "-o", "evaluation"],
        "submission": [predictions, "-o", "submission.csv"],
    }
    for name, command in commands.items():
        *options, output = command
        kill_before_each_operation(
            warm, lambda folder, name=name, options=options, output=output: [name, *options, str(folder / output)],
            tmp_path / name,
        )  # fmt: skip


def test_writing_again_over_an_earlier_output(warm: Warm, source: Path, tmp_path: Path) -> None:
    def start(folder: Path) -> None:
        assert main(["rebalance", str(source / "index.parquet"), "--recipe", "all", "-o", str(folder / "set")]) == 0
        (folder / "set").rename(folder / "real")
        (folder / "set").symlink_to("real")

    kill_before_each_operation(
        warm,
        lambda folder: [
            "rebalance", str(source / "index.parquet"), "--recipe", "hard-x3", "-o", str(folder / "set")
        ],
        tmp_path,
        start=start,
    )  # fmt: skip


def test_download(warm: Warm, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("mirror", Path(__file__).parent / "emulators" / "mirror.py")
    assert spec
    assert spec.loader
    emulator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(emulator)
    names = ["trainaa.tfrecord", "trainab.tfrecord"]
    mirror = emulator.Mirror({name: random.Random(name).randbytes(100_000) for name in names})
    command = [
        "download", "--partition=train", "--level=video", f"--plan-url={mirror.address}/plan.json",
        f"--shard-url={mirror.address}/shards/{{name}}", "--workers=1", "--verify", "-o",
    ]  # fmt: skip
    try:
        kill_before_each_operation(warm, lambda folder: [*command, str(folder / "out")], tmp_path / "fresh")

        def start(folder: Path) -> None:
            (folder / "out").mkdir()
            (folder / "out" / names[0]).write_bytes(b"damaged")

        kill_before_each_operation(
            warm, lambda folder: [*command, str(folder / "out")], tmp_path / "damaged", start=start
        )
    finally:
        mirror.server.shutdown()
        mirror.server.server_close()


def roll_back_second(argv: list[str]) -> int:
    roll_back(argv[0], change=2)
    return 0


def test_roll_back(warm: Warm, tmp_path: Path) -> None:
    fair, good = (make_model(tmp_path / "work", name, quality) for name, quality in (("fair", 1.2), ("good", 2.0)))
    promote(fair.model, tmp_path / "registry", fair.predictions, None)
    promote(good.model, tmp_path / "registry", good.predictions, fair.predictions)
    kill_before_each_operation(
        warm,
        lambda folder: [str(folder / "registry")],
        tmp_path / "place",
        start=lambda folder: shutil.copytree(tmp_path / "registry", folder / "registry"),
        same=without_times,
        torn=False,
        call="tests.long_fault_points:roll_back_second",
    )


def promote_made(argv: list[str]) -> int:
    model, registry, challenger, champion = argv
    promote(model, registry, challenger, champion)
    return 0


def without_times(found: dict[str, object]) -> dict[str, object]:
    return {
        name: re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+\+00:00", b"", content) if isinstance(content, bytes) else content
        for name, content in found.items()
    }


@pytest.mark.parametrize("damaged", [False, True])
def test_promote(warm: Warm, tmp_path: Path, damaged: bool) -> None:
    fair, good = (make_model(tmp_path / "work", name, quality) for name, quality in (("fair", 1.2), ("good", 2.0)))
    promote(fair.model, tmp_path / "registry", fair.predictions, None)
    promote(good.model, tmp_path / "other", good.predictions, None)

    def start(folder: Path) -> None:
        shutil.copytree(tmp_path / "registry", folder / "registry")
        if damaged:  # an earlier copy of the challenger, which has to be replaced
            home = next((tmp_path / "other" / "models").iterdir())
            shutil.copytree(home, folder / "registry" / "models" / home.name)
            (folder / "registry" / "models" / home.name / "model.weights.h5").write_bytes(b"damaged")

    def look(folder: Path) -> None:
        kept = show(str(folder / "registry"))["model"]
        for entry in json.loads((Path(kept) / "files.json").read_text())["files"]:
            assert file_crc32c(Path(kept) / entry["name"]) == entry["crc32c"]

    kill_before_each_operation(
        warm,
        lambda folder: [
            str(good.model), str(folder / "registry"), str(good.predictions), str(fair.predictions)
        ],
        tmp_path / "place",
        start=start,
        look=look,
        same=without_times,
        torn=False,
        call="tests.long_fault_points:promote_made",
    )  # fmt: skip
