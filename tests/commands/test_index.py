"""`yt8m index` by hand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.records.made import SAMPLE
from yt8m.cli import main


def test_it_prints_what_it_found_and_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["index", str(SAMPLE / "validate"), "-o", str(tmp_path / "index.parquet"), "--verify", "--threads", "2"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "566 videos with 1,605 labels in 2 shards (2,666,316 bytes)\nvideo level\n"
    first = (tmp_path / "index.parquet").read_bytes()
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["videos"], result["shards"], result["skipped"]) == (566, 2, [])
    assert (tmp_path / "index.parquet").read_bytes() == first, "running again changes nothing"


def test_bad_records_and_duplicates_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        shutil.copy(SAMPLE / "validate" / "validate0050.tfrecord", tmp_path / f"{name}.tfrecord")
    data = bytearray((tmp_path / "b.tfrecord").read_bytes())
    data[100] ^= 1
    (tmp_path / "b.tfrecord").write_bytes(data)
    arguments = ["index", f"{tmp_path}/*.tfrecord", "-o", str(tmp_path / "index.parquet")]
    assert main(arguments) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert "b.tfrecord: record 0 at byte 0: the record is damaged" in error[0]
    assert main([*arguments, "--skip-bad-records"]) == 0
    out = capsys.readouterr().out
    assert "283 ids occur more than once, in 566 records: " in out
    assert "1 bad stretches left out:" in out
    assert "b.tfrecord: record 0 at byte 0: the record is damaged" in out


@pytest.mark.parametrize("source", ["nothing", "empty", "empty/*.tfrecord", "cut.tfrecord"])
def test_wrong_sources_are_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str) -> None:
    (tmp_path / "empty").mkdir()
    data = (SAMPLE / "validate" / "validate0050.tfrecord").read_bytes()
    (tmp_path / "cut.tfrecord").write_bytes(data[:-1])
    assert main(["index", str(tmp_path / source), "-o", str(tmp_path / "index.parquet")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert str(tmp_path / source) in captured.err
    assert not (tmp_path / "index.parquet").exists()


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("index", "simulate"):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert f"example:\n  yt8m {command} " in capsys.readouterr().out


def test_neither_keras_nor_tensorflow_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from yt8m.cli import main; "
        f"main(['index', {str(SAMPLE / 'validate')!r}, '-o', {str(tmp_path / 'index.parquet')!r}]); "
        f"main(['simulate', {str(SAMPLE / 'validate')!r}, '--max-frames', '2', '-o', {str(tmp_path / 'out')!r}]); "
        "sys.exit(bool({'keras', 'tensorflow', 'google.cloud.storage'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
