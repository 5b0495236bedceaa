import csv
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt8m import storage
from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.errors import InputError
from yt8m.prediction.table import Predictions, write_predictions
from yt8m.prediction.top_k import top_k
from yt8m.submission import write_submission
from yt8m.submission.ensemble import HEADER, lines

CLASSES = 3862


def make_ids(count, start=0):
    return np.array([f"{row:04d}".encode() for row in range(start, start + count)], "S4")


def table_of(scores, top=20, ids=None, **metadata):
    """The predictions of a model with these scores [n, V]."""
    ids = make_ids(len(scores)) if ids is None else ids
    metadata = {"num_classes": scores.shape[1], "simulated": False, "models": [{"name": "moe"}], **metadata}
    none = np.empty(0, np.int32)
    return Predictions(
        ids, none, none, none.astype(np.float32), np.zeros(len(ids) + 1, int), *top_k(scores, top), metadata
    )


def random_scores(videos=30, classes=CLASSES, seed=0):
    return np.random.default_rng(seed).random((videos, classes), dtype=np.float32) ** 4


def write_ids_index(path, ids):
    ids = np.array(ids)
    write_index(path, VideoIndex(
        ids, np.full(len(ids), -1, np.int32), np.full(len(ids), -1), np.zeros(len(ids), np.int32),
        np.zeros(len(ids), np.int32), np.empty(0, np.int32), np.zeros(len(ids) + 1, int), level="labels",
    ))  # fmt: skip


def read_csv(path):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["VideoId", "LabelConfidencePairs"]
    return {
        video: [(int(label), float(value)) for label, value in zip(*[iter(pairs.split(" "))] * 2, strict=True)]
        for video, pairs in rows
    }


def refused(paths, output, problem, index=None):
    with pytest.raises(InputError, match=problem) as caught:
        write_submission([str(path) for path in paths], output, index=index)
    assert "\n" not in str(caught.value)
    assert not output.exists()
    assert not [name for name in os.listdir(output.parent) if name.startswith(".partial")]


def test_the_csv_module_reads_back_every_pair(tmp_path):
    table = table_of(random_scores(9000, 700), top=25, models=[{"name": "moe"}, {"name": "netvlad"}])
    write_predictions(tmp_path / "p.parquet", table)
    write_ids_index(tmp_path / "i.parquet", table.video_ids[::-1])
    result = write_submission([str(tmp_path / "p.parquet")], tmp_path / "s.csv", index=tmp_path / "i.parquet")
    assert result == {
        "videos": 9000, "pairs": 20, "bytes": (tmp_path / "s.csv").stat().st_size, "models": ["moe", "netvlad"],
        "files": 1, "simulated": False, "complete": True,
        "model_bytes": None,
    }  # fmt: skip
    rows = read_csv(tmp_path / "s.csv")
    assert list(rows) == [video.decode() for video in table.video_ids]
    for pairs, labels, confidences in zip(
        rows.values(), table.top_labels.tolist(), table.top_confidences.tolist(), strict=True
    ):
        assert [label for label, _ in pairs] == labels[:20]
        assert [value for _, value in pairs] == [float(f"{value:.6f}") for value in confidences[:20]]
        assert [value for _, value in pairs] == sorted((value for _, value in pairs), reverse=True)


@given(
    st.lists(
        st.tuples(
            st.text("aZ09-_.:", min_size=1, max_size=12),
            st.lists(
                st.tuples(st.integers(0, 20_000), st.floats(0, 1, width=32)), min_size=3, max_size=3
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_lines_are_those_of_python_formatting(rows, many_classes):
    num_classes = 20_001 if many_classes else 10_000
    labels = np.array([[min(label, num_classes - 1) for label, _ in pairs] for _, pairs in rows])
    confidences = np.array([[value for _, value in pairs] for _, pairs in rows], np.float32)
    ids = np.array([video.encode() for video, _ in rows])
    expected = "".join(
        video + "," + " ".join(f"{label} {value:.6f}" for label, value in zip(*row, strict=True)) + "\n"
        for (video, _), *row in zip(rows, labels.tolist(), confidences.tolist(), strict=True)
    )
    assert lines(ids, labels, confidences, num_classes) == expected.encode()


def test_halves_round_to_even_and_sums_over_one_are_one():
    confidences = np.array([[1.0000001, 1.0, 0.0078125, 0.0234375, 5e-7, 0.0]], np.float32)
    text = lines(np.array([b"x"]), np.arange(6)[None], confidences, 10)
    assert text == b"x,0 1.000000 1 1.000000 2 0.007812 3 0.023438 4 0.000000 5 0.000000\n"
    assert HEADER == b"VideoId,LabelConfidencePairs\n"


def test_the_same_predictions_give_the_same_bytes(tmp_path):
    write_predictions(tmp_path / "p.parquet", table_of(random_scores()))
    for name in ("a.csv", "b.csv", "a.csv"):
        write_submission([str(tmp_path / "p.parquet")], tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        (make_ids(31), r"lacks 1 video \(0030\) of .*i\.parquet; predict the whole index anew"),
        (make_ids(40), r"lacks 10 videos \(0030, 0031, 0032, 0033, 0034, \.\.\.\) of .*i\.parquet"),
        (make_ids(28), r"holds 2 videos \(0028, 0029\) not in .*i\.parquet"),
        (make_ids(30, 1), r"lacks 1 video \(0030\) of .* and holds 1 video \(0000\) not in "),
        (
            [b"a-long-video-id", *make_ids(29)],
            r"lacks 1 video \(a-long-video-id\) of .* and holds 1 video \(0029\) not in",
        ),
    ],
)
def test_incomplete_submissions_are_refused(tmp_path, ids, problem):
    write_predictions(tmp_path / "p.parquet", table_of(random_scores(30, 100)))
    write_ids_index(tmp_path / "i.parquet", ids)
    refused([tmp_path / "p.parquet"], tmp_path / "s.csv", rf"p\.parquet: .*{problem}", tmp_path / "i.parquet")


def test_an_index_that_repeats_a_video_is_refused(tmp_path):
    write_predictions(tmp_path / "p.parquet", table_of(random_scores(30, 100)))
    write_ids_index(tmp_path / "i.parquet", [*make_ids(30), b"0007"])
    problem = r"i\.parquet: 1 id occurs more than once \(the first: 0007\); index each shard once"
    refused([tmp_path / "p.parquet"], tmp_path / "s.csv", problem, tmp_path / "i.parquet")


@pytest.mark.parametrize("ids", [make_ids(30), np.char.add(make_ids(30), b"-and-more")])
def test_videos_that_are_there_twice_are_named(tmp_path, ids):
    ids = ids.copy()
    ids[[7, 20]] = ids[3]
    write_predictions(tmp_path / "p.parquet", table_of(random_scores(30, 100), ids=ids))
    name = ids[3].decode()
    refused([tmp_path / "p.parquet"], tmp_path / "s.csv", rf"more than once \(the first: {name}\)")


@pytest.mark.parametrize("bad", [b"", b"a,b", b'a"b', b"a b", b"a\nb", b"a\x00b", b"a\xc3\xa9b"])
def test_ids_that_would_break_the_csv_are_refused(tmp_path, bad):
    ids = make_ids(4)
    ids[2] = bad
    write_predictions(tmp_path / "p.parquet", table_of(random_scores(4, 100), ids=ids))
    refused(
        [tmp_path / "p.parquet"],
        tmp_path / "s.csv",
        r"p\.parquet: 1 video \(.*\) with an id that cannot stand in a CSV",
    )


def change_confidence(value):
    def change(table):
        table.top_confidences[6, 4] = value

    return change


def change_label(value):
    def change(table):
        table.top_labels[6, 4] = table.top_labels[6, 9] if value is None else value

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (change_confidence(np.nan), "a confidence is not between 0 and 1"),
        (change_confidence(np.inf), "a confidence is not between 0 and 1"),
        (change_confidence(-0.1), "a confidence is not between 0 and 1"),
        (change_confidence(1.1), "a confidence is not between 0 and 1"),
        (change_confidence(0.0), "the confidences do not descend"),
        (change_label(None), "a label is there twice"),
        (change_label(3862), "a label lies outside the 3862 classes"),
        (change_label(-1), "a label lies outside the 3862 classes"),
    ],
)
@pytest.mark.parametrize("files", [1, 2])
def test_rows_that_the_challenge_would_not_score_are_refused(tmp_path, change, problem, files):
    table = table_of(random_scores(), top=100)
    write_predictions(tmp_path / "good.parquet", table)
    change(table)
    write_predictions(tmp_path / "p.parquet", table)
    paths = [tmp_path / "good.parquet", tmp_path / "p.parquet"][-files:]
    refused(paths, tmp_path / "s.csv", rf"p\.parquet: video 0006: {problem}")


def test_an_existing_submission_survives_a_refusal(tmp_path):
    write_predictions(tmp_path / "p.parquet", table_of(random_scores(), top=19))
    (tmp_path / "s.csv").write_text("the last one")
    with pytest.raises(InputError, match="holds the top 19 labels of a video, 20 are needed; predict with --top 20"):
        write_submission([str(tmp_path / "p.parquet")], tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "the last one"


def test_no_videos_are_refused(tmp_path):
    write_predictions(tmp_path / "p.parquet", table_of(random_scores(0)))
    refused([tmp_path / "p.parquet"], tmp_path / "s.csv", "holds no videos")


def test_the_mean_of_files_with_all_classes_is_exact(tmp_path):
    scores = [random_scores(600, 120, seed) for seed in range(3)]
    order = np.random.default_rng(9).permutation(600)
    write_predictions(tmp_path / "0.parquet", table_of(scores[0], 120))
    write_predictions(tmp_path / "1.parquet", table_of(scores[1][order], 120, make_ids(600)[order], simulated=True))
    write_predictions(tmp_path / "2.parquet", table_of(scores[2], 120))
    result = write_submission([str(tmp_path / f"{n}.parquet") for n in range(3)], tmp_path / "s.csv")
    assert (result["files"], result["models"], result["simulated"]) == (3, ["moe"] * 3, True)
    mean = np.mean(scores, axis=0, dtype=np.float64).astype(np.float32)
    labels, confidences = top_k(mean, 20)
    rows = read_csv(tmp_path / "s.csv")
    assert list(rows) == [video.decode() for video in make_ids(600)]
    for pairs, row_labels, row_confidences in zip(rows.values(), labels.tolist(), confidences.tolist(), strict=True):
        assert pairs == [(label, round(value, 6)) for label, value in zip(row_labels, row_confidences, strict=True)]


def test_a_pair_that_one_file_lacks_counts_zero_there(tmp_path):
    scores = np.zeros((2, 1, 300), np.float32)
    scores[:, 0, :110] = np.linspace(0.9, 0.5, 110)
    scores[0, 0, 200] = 0.4  # not among the 100 best of the first file
    scores[1, 0, 200] = 1.0
    for number in range(2):
        write_predictions(tmp_path / f"{number}.parquet", table_of(scores[number], 100))
    write_submission([str(tmp_path / f"{n}.parquet") for n in range(2)], tmp_path / "s.csv")
    pairs = dict(read_csv(tmp_path / "s.csv")["0000"])
    assert pairs[0] == 0.9
    assert 200 not in pairs


def test_files_that_cannot_be_averaged_are_refused(tmp_path):
    scores = random_scores(30, 300)
    write_predictions(tmp_path / "a.parquet", table_of(scores, 100))
    others = {
        "b": (table_of(scores, 99), r".* the top 99 .* needs 100; .*--top 100, .*`yt8m predict MODEL MODEL"),
        "c": (table_of(random_scores(30, 200), 100), r"200 classes, but .*a\.parquet has 300"),
        "d": (table_of(scores[1:], 100, make_ids(30)[1:]), r"lacks 1 video \(0000\) of .*a\.parquet"),
    }
    for name, (table, problem) in others.items():
        write_predictions(tmp_path / f"{name}.parquet", table)
        refused(
            [tmp_path / "a.parquet", tmp_path / f"{name}.parquet"], tmp_path / "s.csv", f"{name}.parquet: {problem}"
        )


def write_model(folder, name, size):
    folder = folder / name / "model"
    folder.mkdir(parents=True)
    manifest = {
        "kind": "model", "architecture": "moe", "settings": {}, "level": "video", "num_classes": 300, "preset": {},
        "weights": {"file": "model.weights.h5", "bytes": size}, "fingerprint": f"of {name}",
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(manifest))
    return str(folder)


def predictions_by(path, *names):
    models = [{"name": name, "fingerprint": f"of {name}"} for name in names]
    write_predictions(path, table_of(random_scores(30, 300), 100, models=models))
    return str(path)


@pytest.mark.parametrize("sizes", [(2**30,), (2**29, 2**29), (1, 2)])
def test_models_within_the_limit_pass_and_count_once(tmp_path, sizes):
    names = [f"m{number}" for number in range(len(sizes))]
    models = [write_model(tmp_path, *pair) for pair in zip(names, sizes, strict=True)]
    files = [predictions_by(tmp_path / "a.parquet", *names), predictions_by(tmp_path / "b.parquet", names[0])]
    result = write_submission(files, tmp_path / "s.csv", models=[*models, os.path.dirname(models[0])])
    assert result["model_bytes"] == sum(sizes)


def test_a_pipeline_s_manifest_and_an_object_name_a_model(tmp_path, gcs):
    folder = write_model(tmp_path, "m", 77)
    predictions = predictions_by(tmp_path / "p.parquet", "m")
    manifest = storage.read_json(f"{folder}/model.json")
    (tmp_path / "artifact").write_text(json.dumps({**manifest, "uri": "gs://bucket/work/model", "candidate": {}}))
    storage.write_json("gs://bucket/work/model/model.json", manifest)
    for name in (tmp_path / "artifact", "gs://bucket/work", "gs://bucket/work/model", f"{folder}/model.json"):
        assert write_submission([predictions], tmp_path / "s.csv", models=[str(name)])["model_bytes"] == 77


def test_models_over_the_limit_or_of_others_are_refused(tmp_path):
    large, half, other = (
        write_model(tmp_path, *pair) for pair in (("large", 2**30 + 1), ("half", 2**29), ("other", 1))
    )
    for names, models, problem in (
        (["large"], [large], r"large.model: the model has 1,024\.0 MiB of weights, the challenge allows 1,024 MiB"),
        (["half", "large"], [half, large], r"the 2 models have together 1,536\.0 MiB"),
        (["half"], [other], r"other.model: the model of other made none of these predictions, half \(of half\) did"),
        (["half", "other"], [half], r"other: the model of other made some of the predictions, but no --model names it"),
        (["half"], [str(tmp_path)], "there is no model.json, so this is not a trained model"),
        (["half"], ["gs:///x"], "the bucket is missing"),
    ):
        predictions = predictions_by(tmp_path / "p.parquet", *names)
        with pytest.raises(InputError, match=problem):
            write_submission([predictions], tmp_path / "s.csv", models=models)
        assert not (tmp_path / "s.csv").exists()
