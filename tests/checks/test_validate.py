"""Planted faults in real partitions are found, named and stop the run; sound data passes."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from yt8m.checks.validate import validate_data
from yt8m.cli import main
from yt8m.data.records.video_index import VideoIndex, read_index, write_index
from yt8m.errors import InputError
from yt8m.vocabulary import NUM_CLASSES

VOCABULARY = Path(__file__).parents[2] / "sample" / "vocabulary.csv"


def changed(path: Path, folder: Path, **columns: np.ndarray) -> Path:
    index = dataclasses.replace(read_index(path), **columns)
    write_index(folder / path.name, index)
    return folder / path.name


def together(one: VideoIndex, rows: np.ndarray, folder: Path) -> Path:
    write_index(folder / "train.parquet", one.take(rows))
    return folder / "train.parquet"


def test_sound_data_passes_and_is_compared_with_itself(indexes: dict[str, Path], tmp_path: Path) -> None:
    first = validate_data(indexes, tmp_path / "first", vocabulary=VOCABULARY)
    assert first["passed"]
    assert first["compared_with"] is None
    assert [check["value"] for check in first["checks"]] == [0, 0, 0, *[None] * 6]
    again = validate_data(
        indexes, tmp_path / "again", vocabulary=VOCABULARY, baseline=tmp_path / "first" / "data_profile.json"
    )
    assert [check["value"] for check in again["checks"]] == [0, 0, 0, 0, None, 0, 0, 0, 0]
    assert json.loads((tmp_path / "again" / "validation.json").read_text()) == again
    page = (tmp_path / "again" / "validation.html").read_text()
    assert "Every check passed" in page
    assert "<script src" not in page


def test_the_other_partition_of_the_same_data_is_no_drift(indexes: dict[str, Path], tmp_path: Path) -> None:
    validate_data({"train": indexes["train"]}, tmp_path / "first")
    result = validate_data(
        {"train": indexes["validate"]}, tmp_path / "other", baseline=tmp_path / "first" / "data_profile.json"
    )
    assert result["passed"]


def test_candidates_for_records_of_the_other_level_stop_it(indexes: dict[str, Path], tmp_path: Path) -> None:
    level = read_index(indexes["test"]).level
    right, wrong = ("netvlad", "mlp") if level == "frame" else ("mlp", "netvlad-small")
    candidates = [{"name": "first", "preset": preset, "overrides": {}} for preset in (right, wrong)]
    validate_data(indexes, tmp_path, candidates=candidates[:1])
    with pytest.raises(InputError, match=f"candidate 'first': .*: {level}-level records, but the preset {wrong}"):
        validate_data(indexes, tmp_path, candidates=candidates[1:])


def test_a_leaked_id_stops_with_the_id_and_the_page_where_it_outlives_the_step(
    indexes: dict[str, Path], tmp_path: Path
) -> None:
    index = read_index(indexes["test"])
    ids = index.video_ids.copy()
    ids[3] = read_index(indexes["train"]).video_ids[7]
    test = changed(indexes["test"], tmp_path, video_ids=ids)
    with pytest.raises(InputError) as caught:
        validate_data({**indexes, "test": test}, tmp_path / "out", copies=(tmp_path / "kept",))
    message = str(caught.value)
    assert "leaked_ids is 1, at most 0 is allowed" in message
    assert f"train and test: 1 ({ids[3].decode()})" in message
    assert str(tmp_path / "kept" / "validation.html") in message
    assert ids[3].decode() in (tmp_path / "kept" / "validation.html").read_text()
    assert not json.loads((tmp_path / "out" / "validation.json").read_text())["passed"]


def test_duplicates_and_unknown_labels_are_counted(indexes: dict[str, Path], tmp_path: Path) -> None:
    index = read_index(indexes["train"])
    train = together(index, np.concatenate((np.arange(len(index)), [0, 0, 5])), tmp_path)
    labels = read_index(indexes["validate"]).labels.copy()
    labels[:4] = 4000
    validation = changed(indexes["validate"], tmp_path, labels=labels)
    with pytest.raises(InputError, match=r"unknown_labels is 4.*validate: 4 \(4000, \.\.\.\).*duplicate_ids is 3"):
        validate_data({"train": train, "validate": validation}, tmp_path / "out", vocabulary=VOCABULARY)
    passed = validate_data(
        {"train": train, "validate": validation}, tmp_path / "out", vocabulary=VOCABULARY,
        thresholds={"unknown_labels": 4, "duplicate_ids": 3},
    )  # fmt: skip
    assert passed["passed"]


def test_without_a_vocabulary_the_classes_of_the_model_are_the_limit(indexes: dict[str, Path], tmp_path: Path) -> None:
    labels = read_index(indexes["train"]).labels.copy()
    labels[:2] = NUM_CLASSES
    train = changed(indexes["train"], tmp_path, labels=labels)
    with pytest.raises(InputError, match=r"unknown_labels is 2.*train: 2 \(3862, \.\.\.\)"):
        validate_data({"train": train}, tmp_path / "out", num_classes=NUM_CLASSES)
    assert validate_data({"train": train}, tmp_path / "out")["passed"]


def test_moved_labels_stop_by_name(indexes: dict[str, Path], tmp_path: Path) -> None:
    validate_data({"train": indexes["train"]}, tmp_path / "first")
    labels = read_index(indexes["train"]).labels.copy()
    labels[np.random.default_rng(0).random(len(labels)) < 0.3] = 7
    train = changed(indexes["train"], tmp_path, labels=labels)
    with pytest.raises(InputError, match=r"label_drift is 0\.2.*Car went from \d+\.\d+% to \d\d"):
        validate_data(
            {"train": train}, tmp_path / "out", vocabulary=VOCABULARY,
            baseline=tmp_path / "first" / "data_profile.json",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "drift=1"], "there is no threshold 'drift'"),
        (["--threshold", "label_drift=-1"], "'label_drift' must be a number from 0; it is -1"),
        (["--threshold", "label_drift"], "--threshold label_drift: write KEY=VALUE"),
        (["--baseline", "none.json"], "none.json: no such file"),
        (["--test", "none.parquet"], "none.parquet: no such file; make one with `yt8m index`"),
    ],
)
def test_wrong_input_is_one_line(
    indexes: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["validate", str(indexes["train"]), "-o", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_as_it_is_typed(indexes: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["validate", str(indexes["train"]), "--validation", str(indexes["validate"]), "-o", str(tmp_path)]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "leaked_ids          0 (at most 0)" in text
    assert "label_drift         not compared" in text
    assert text.endswith(f"wrote {tmp_path}/validation.html\n")


def test_labels_are_not_called_known_where_nothing_says_which_are(
    indexes: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(indexes["train"]), "-o", str(tmp_path)]) == 0
    assert "unknown_labels      not checked (give --vocabulary)" in capsys.readouterr().out
    assert json.loads((tmp_path / "validation.json").read_text())["checks"][0]["value"] is None
    assert "not checked" in (tmp_path / "validation.html").read_text()


def test_no_threshold_lets_a_video_be_predicted_twice(indexes: dict[str, Path], tmp_path: Path) -> None:
    index = read_index(indexes["test"])
    write_index(tmp_path / "test.parquet", index.take(np.array([0, 1, 2, 1])))
    allowed = {"duplicate_ids": 9, "leaked_ids": 9}
    video = index.video_ids[1].decode()
    with pytest.raises(InputError, match=rf"test\.parquet: 1 id occurs more than once \(the first: {video}\)"):
        validate_data({**indexes, "test": tmp_path / "test.parquet"}, tmp_path / "out", thresholds=allowed)
    train = together(index, np.array([0, 1, 2, 1]), tmp_path)
    assert validate_data({"train": train}, tmp_path / "out", thresholds=allowed)["passed"]
