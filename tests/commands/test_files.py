"""No command writes over its own inputs, by whatever name; and the arguments that say so are all there are."""

import argparse
import importlib
import itertools
import os
import shutil
from pathlib import Path

import pytest

import pipeline
from yt8m import cli, storage
from yt8m.cli import main
from yt8m.commands._files import FILES, MODEL, Files, files_of
from yt8m.errors import InputError

SAMPLE = Path(__file__).parents[2] / "sample"
NO_FILES = {"registry", "scratch", "work_root", "source_root", "output", "card"}  # made or kept by commands, or a name
PLAIN = {
    "partition", "level", "shards", "mirror", "plan_url", "shard_url", "prefix", "settings", "export", "export_dtype",
    "weights", "threshold", "scale", "only", "reason", "serving_image",
}  # fmt: skip


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_argument_that_names_a_file_is_known(command: str) -> None:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"yt8m.commands.{command}").add_arguments(parser)
    texts = {
        action.dest for action in parser._actions
        if action.type is None and not (action.const or action.choices) and action.nargs != 0 and action.dest != "help"
    }  # fmt: skip
    files = FILES[command]
    assert {name for name in texts if not name.startswith("vertex")} - PLAIN - NO_FILES == set(files.reads)
    assert set(files.writes) <= texts


def conflicts() -> list[tuple[str, str, str, str]]:
    """Each output with each input of its command, and in turn how the one comes to be the other."""
    found = []
    for command, files in FILES.items():
        for written in files.makes or files.writes:
            found += [(command, argument, written) for argument in files.reads if written != storage.SHARD_PATTERN]
    ways = itertools.cycle(["name", "link", "hard link", "link of a folder"])
    return [
        (*case, "link" if case[2] == MODEL and how == "hard link" else how)
        for case, how in zip(found, ways, strict=False)
    ]


@pytest.mark.parametrize(("command", "argument", "written", "how"), conflicts())
def test_an_output_that_is_an_input_is_refused(
    tmp_path: Path, command: str, argument: str, written: str, how: str
) -> None:
    files = FILES[command]
    folder = tmp_path / "folder"
    folder.mkdir()
    given = folder / (written if files.makes else "file.yaml")
    if written == MODEL:
        given.mkdir()
        (given / "model.json").write_text("{}")
    else:
        given.write_text("content")
    output = tmp_path / "folder" if files.makes else given
    if how == "link of a folder":
        (tmp_path / "linked").symlink_to(folder)
        output = tmp_path / "linked" / output.relative_to(folder)
    elif how != "name":
        made = tmp_path / "other" / given.name
        made.parent.mkdir()
        made.symlink_to(given) if how == "link" else os.link(given, made)
        output = made.parent if files.makes else made
    arguments = dict.fromkeys(files.reads) | {argument: str(given)}
    arguments |= {name: str(output) for name in (files.writes if not files.makes else ("output",))}
    with pytest.raises(InputError, match="; name another output"), files_of(command, argparse.Namespace(**arguments)):
        pytest.fail("not refused")


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for shard in sorted((SAMPLE / "train").glob("*.tfrecord"))[:2]:
        shutil.copy(shard, folder)
    return folder


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ("index data/{0} -o data/{0}", "would be written over the input data/{0} of this command"),
        ("index data -o data/{0}", "would be written over the input data of this command"),
        ("index data/*.tfrecord -o data/{0}", "would be written over the input"),
        ("index data -o link.parquet", "would be written over the input data of this command"),
        ("index data -o data/new.tfrecord", "would be taken for a shard of the input data of this command"),
        ("index data/t*.tfrecord -o data/tnew.tfrecord", "would be taken for a shard of the input"),
        ("simulate data -o data", "is the folder of its input data"),
        ("simulate data/{0} -o linked", "is the folder of its input data/{0}"),
        ("simulate . data -o ./linked/.", "is the folder of its input data"),
    ],
)
def test_shards_are_never_written_over(
    shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: str, says: str
) -> None:
    monkeypatch.chdir(shards.parent)
    name = min(os.listdir(shards))
    Path("link.parquet").symlink_to(Path("data", name))
    Path("linked").symlink_to("data")
    before = {path.name: path.read_bytes() for path in shards.iterdir()}
    assert main(argv.format(name).split()) == 2
    error = capsys.readouterr().err
    assert says.format(name) in error
    assert error.count("\n") == 1
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == before


def test_other_outputs_beside_inputs_are_fine(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shards)
    for _ in range(2):
        assert main(["index", ".", "-o", "index.parquet"]) == 0
        assert main(["rebalance", "index.parquet", "--recipe", "all", "-o", "all"]) == 0
        assert main(["simulate", ".", "--max-frames", "2", "-o", "frames"]) == 0
        assert main(["statistics", "index.parquet", "-o", "."]) == 0


@pytest.mark.parametrize(
    ("command", "given", "output", "refused"),
    [
        ("index", "gs://b/a.tfrecord", "gs://b/a.tfrecord", True),
        ("index", "gs://b/data/", "gs://b/data/x.tfrecord", True),
        ("index", "gs://b/data/*.tfrecord", "gs://b/data/x.tfrecord", True),
        ("index", "gs://b/data", "gs://b/data/index.parquet", False),
        ("index", "gs://b/data", "index.tfrecord", False),
        ("simulate", "gs://b/data", "gs://b/data/", True),
        ("simulate", "gs://b/data/a.tfrecord", "gs://b/data", True),
        ("simulate", "gs://b/data", "gs://b/data/frames", False),
    ],
)
def test_on_gs_the_address_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, given: str, output: str, refused: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = argparse.Namespace(sources=[given], evidence=None, output=output)
    try:
        with files_of(command, arguments):
            assert not refused
    except InputError:
        assert refused


def test_the_files_of_a_model_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "model.json").write_text("{}")
    for output, refused in (
        ("model/model.json", True),
        ("model/saved_model/saved_model.pb", True),
        ("model/predictions.parquet", False),
        ("p.parquet", False),
    ):
        arguments = argparse.Namespace(
            models=[str(tmp_path / "run")],
            index="index.parquet",
            source=None,
            blend=None,
            output=str(tmp_path / "run" / output),
        )
        try:
            with files_of("predict", arguments):
                assert not refused
        except InputError:
            assert refused


def test_what_killed_commands_left_is_cleared_before_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "out").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("yt8m.storage.leftovers.started", lambda number: "1")
        left = [tmp_path / "temporary" / f"{storage.scratch_prefix()}x",
                tmp_path / "out" / f".partial-a-{storage.scratch_prefix().removeprefix('yt8m-')}x"]  # fmt: skip
    for path in left:
        path.mkdir()
    assert main(["statistics", str(tmp_path / "none.parquet"), "-o", str(tmp_path / "out")]) == 2
    assert not any(path.exists() for path in left)


def test_the_table_knows_all_commands() -> None:
    assert set(FILES) == set(cli.COMMANDS)
    assert FILES["models"] == Files((), ())


@pytest.mark.parametrize(("command", "written"), [("compile", "yt8m-kfp.yaml"), ("run", "summary.json")])
def test_the_pipeline_s_program_writes_over_no_input_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, written: str
) -> None:
    candidates = tmp_path / "candidates.yaml"
    candidates.write_text("[{name: a, preset: mlp, overrides: {}}]")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / written).hardlink_to(candidates)
    assert pipeline.main([command, "--candidates", str(candidates), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert f"would be written over the input {candidates} of this command" in error
    assert candidates.read_text() == "[{name: a, preset: mlp, overrides: {}}]"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [written]
