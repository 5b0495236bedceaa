"""Errors cross from worker processes whole."""

import pickle
from pathlib import Path

import pytest

from yt8m.cli import enter, main
from yt8m.errors import InputError, RecordError, one_line


def test_a_record_error_survives_pickling() -> None:
    error = RecordError("a.tfrecord", 3, 120, "the record is damaged", "fetch it again")
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error) == "a.tfrecord: record 3 at byte 120: the record is damaged; fetch it again"
    assert (back.path, back.record, back.offset, back.problem) == ("a.tfrecord", 3, 120, "the record is damaged")
    assert "--skip-bad-records" in str(pickle.loads(pickle.dumps(RecordError("a", 0, 0, "cut"))))


def test_a_message_becomes_one_line_and_keeps_what_is_inside_its_lines() -> None:
    assert one_line(InputError("a  b\tc: no")) == "a  b\tc: no"
    assert one_line("YAML:\n    bad  value\r\n\n  at line 2\n") == "YAML: bad  value at line 2"


def test_two_spaces_of_a_path_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statistics", str(tmp_path / "two  spaces.parquet"), "-o", str(tmp_path / "out")]) == 2
    assert f"{tmp_path}/two  spaces.parquet: no such file" in capsys.readouterr().err


def test_too_little_memory_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise MemoryError("Unable to allocate 320. TiB for an array")

    assert enter("yt8m", work, lambda: "") == 2
    assert capsys.readouterr().err == (
        "yt8m: error: out of memory (Unable to allocate 320. TiB for an array); ask for less at a time, such as a "
        "smaller batch size\n"
    )
