from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yt8m.data.rebalance.training_set import Phase, TrainingSet, write_training_set
from yt8m.data.records.video_index import read_index, write_index
from yt8m.errors import InputError
from yt8m.evaluation.holdout_split import in_half
from yt8m.training.job import choose_videos, read_job

VOCABULARY = Path(__file__).parents[2] / "sample" / "vocabulary.csv"


def job(files: Any, preset: Any, **options: Any) -> Any:
    defaults = {"overrides": {}, "seed": 0, "vocabulary": None, "num_classes": 40, "export": "best"}
    return read_job(files.training_set, files.validation, preset, **{**defaults, **options})


def test_the_number_of_classes(video_files: Any, presets: Any) -> None:
    assert job(video_files, presets["logistic"]).num_classes == 40
    assert job(video_files, presets["logistic"], num_classes=None).num_classes == 3862
    named = job(video_files, presets["logistic"], num_classes=None, vocabulary=VOCABULARY)
    assert named.num_classes == 3862
    assert named.vocabulary_fingerprint is not None
    assert named.configuration != job(video_files, presets["logistic"], num_classes=None).configuration


def test_a_label_beyond_the_classes_names_its_video(video_files: Any, presets: Any) -> None:
    index = read_index(video_files.validation)
    label = int(index.labels.max())
    row = next(row for row in range(len(index)) if label in index.labels_of(row))
    with pytest.raises(InputError, match=f"label {label}, the model has {label} classes") as error:
        job(video_files, presets["logistic"], num_classes=label)
    assert index.video_ids[row].decode() in str(error.value)
    assert job(video_files, presets["logistic"], num_classes=label + 1).num_classes == label + 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"export": "all"}, ["--export all", "best or last"]),
        ({"seed": -1}, ["--seed -1"]),
        ({"num_classes": 0}, ["--num-classes 0", "at least 1"]),
        (
            {"overrides": {"level": "frame"}},
            ["video-level records", "frame-level", "logistic, mlp, mlp-labels, moe", "--set level=video"],
        ),
        ({"overrides": {"model.name": 3}}, ["model: a name"]),
        ({"vocabulary": "no.csv"}, ["no.csv", "no such file"]),
    ],
)
def test_what_does_not_fit_is_refused(video_files: Any, presets: Any, options: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        job(video_files, presets["logistic"], **options)
    for word in words:
        assert word in str(error.value)


def test_files_of_another_kind_are_refused(video_files: Any, presets: Any, tmp_path: Path) -> None:
    def read(training_set: Path, validation: Path) -> Any:
        options = {"overrides": {}, "seed": 0, "vocabulary": None, "num_classes": 40, "export": "best"}
        return read_job(training_set, validation, presets["logistic"], **options)

    with pytest.raises(InputError, match="yt8m rebalance"):
        read(video_files.validation, video_files.validation)
    with pytest.raises(InputError, match="no such file"):
        read(video_files.training_set, tmp_path / "none.parquet")
    empty = read_index(video_files.validation).take(np.zeros(0, np.int64))
    write_index(tmp_path / "empty.parquet", empty)
    with pytest.raises(InputError, match=r"empty\.parquet: there are no videos"):
        read(video_files.training_set, tmp_path / "empty.parquet")


def test_an_empty_phase_is_refused(video_files: Any, presets: Any, tmp_path: Path) -> None:
    index = read_index(video_files.validation)
    repeats = np.array([[1] * len(index), [0] * len(index)], np.int32)
    write_training_set(tmp_path / "t.parquet", TrainingSet(index, repeats, (Phase("a"), Phase("b"))))
    files = type(video_files)(tmp_path / "t.parquet", video_files.validation)
    with pytest.raises(InputError, match="its phase 'b' selects no video"):
        job(files, presets["logistic"])


def test_the_sample_of_the_validation_videos_is_fixed(video_files: Any) -> None:
    index = read_index(video_files.validation)
    few = choose_videos(index, 10)
    assert len(few) == 10
    assert list(few) == sorted(few)
    turned = index.take(np.arange(len(index))[::-1])
    assert set(turned.video_ids[choose_videos(turned, 10)]) == set(index.video_ids[few])
    assert set(choose_videos(index, 5)) < set(few)
    assert list(choose_videos(index, 10**6)) == list(range(len(index)))


def test_validation_on_training_videos_is_said_and_a_repeated_one_refused(
    video_files: Any, presets: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = read_index(video_files.validation)
    training = TrainingSet(index.take(np.array([3, 1, 4])), np.ones((1, 3), np.int32), (Phase("a"),))
    write_training_set(tmp_path / "t.parquet", training)

    def judged_on(*rows: int) -> str:
        write_index(tmp_path / "v.parquet", index.take(np.array(rows)))
        job(type(video_files)(tmp_path / "t.parquet", tmp_path / "v.parquet"), presets["logistic"])
        return capsys.readouterr().err

    assert judged_on(0, 2, 5) == ""
    first = index.video_ids[4].decode()
    said = f"2 of its 3 videos are also among the training videos of {tmp_path / 't.parquet'} (the first: {first})"
    assert said in judged_on(0, 4, 1)
    with pytest.raises(InputError, match=r"v\.parquet: 1 id occurs more than once"):
        judged_on(0, 1, 0)


@pytest.mark.parametrize("videos", [5, 10**6])
def test_the_videos_that_decide_on_a_promotion_do_not_pick_the_best_step(
    video_files: Any, presets: Any, videos: int
) -> None:
    made = job(video_files, presets["logistic"], overrides={"validation_videos": videos})
    ids = made.validation.video_ids
    assert 0 < in_half(ids, "promotion").sum() < len(ids)
    picking = ids[made.sample]
    assert in_half(picking, "selection").all()
    assert len(picking) == min(videos, in_half(ids, "selection").sum())


def test_validation_videos_that_cannot_pick_a_step_are_refused(video_files: Any, presets: Any, tmp_path: Path) -> None:
    index = read_index(video_files.validation)
    write_index(tmp_path / "half.parquet", index.take(np.flatnonzero(in_half(index.video_ids, "promotion"))))
    files = type(video_files)(video_files.training_set, tmp_path / "half.parquet")
    with pytest.raises(InputError, match=r"half\.parquet: none of its \d+ videos is a labelled one of the sel"):
        job(files, presets["logistic"])
