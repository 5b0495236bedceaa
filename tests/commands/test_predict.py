from pathlib import Path
from typing import Any

import pytest

from yt8m.cli import main
from yt8m.commands.predict import parse_weights, render
from yt8m.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "word"), [(["model"], "index"), (["model", "index.parquet"], "--output"), ([], "MODEL")]
)
def test_what_is_missing_is_named(arguments: list[str], word: str, capsys: Any) -> None:
    assert main(["predict", *arguments]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1


def test_a_missing_index_is_one_line(tmp_path: Path, capsys: Any) -> None:
    assert main(["predict", str(tmp_path), str(tmp_path / "no.parquet"), "-o", str(tmp_path / "p.parquet")]) == 2
    assert "no.parquet: no such file" in capsys.readouterr().err


def test_the_help_has_an_example(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    text = capsys.readouterr().out
    assert "example:\n  yt8m predict " in text
    assert "--skip-bad-records" in text


def test_bad_records_are_shown() -> None:
    entry = {"file": "a.tfrecord", "record": 3, "offset": 99, "bytes": 5, "problem": "its checksum is wrong"}
    result = {"videos": 4, "top": 20, "num_classes": 3862, "models": ["moe"], "simulated": True}
    text = render({**result, "skipped": [entry] * 7})
    assert text.splitlines()[:3] == [
        "4 videos, top 20 of 3,862 labels each, by moe", "frames are simulated", "7 bad records left out:",
    ]  # fmt: skip
    assert "  a.tfrecord: record 3 at byte 99: its checksum is wrong" in text
    assert text.endswith("and 2 more (--json lists all)")
    assert "bad" not in render({**result, "skipped": []})


def test_weights_are_numbers_with_commas() -> None:
    assert parse_weights(None) is None
    assert parse_weights("2,1.5") == [2.0, 1.5]
    with pytest.raises(InputError, match="--weights 2;1: numbers with commas"):
        parse_weights("2;1")
