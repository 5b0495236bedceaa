import numpy as np
import pytest

from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.errors import InputError
from yt8m.evaluation.label_info import read_label_info


@pytest.fixture
def index(tmp_path):
    lists = [[0], [0, 2], []]
    n = len(lists)
    write_index(tmp_path / "train.parquet", VideoIndex(
        video_ids=np.array([b"a", b"b", b"c"]), shard_numbers=np.full(n, -1, np.int32), offsets=np.full(n, -1),
        lengths=np.zeros(n, np.int32), num_frames=np.zeros(n, np.int32),
        labels=np.array([0, 0, 2], np.int32), bounds=np.array([0, 1, 3, 3]), level="labels",
    ))  # fmt: skip
    return tmp_path / "train.parquet"


@pytest.fixture
def vocabulary(tmp_path):
    rows = ["Index,TrainVideoCount,Name,Vertical1", "0,30,Game,Games", "1,20,,", "2,10,Car,Autos"]
    (tmp_path / "v.csv").write_text("\n".join(rows))
    return tmp_path / "v.csv"


def test_nothing_is_known():
    facts = read_label_info(2)
    assert (facts.names, facts.training_counts, facts.source) == (["label 0", "label 1"], None, "")
    assert not facts.has_verticals


def test_counts_are_of_the_training_index_and_else_of_the_vocabulary(index, vocabulary):
    both, words = read_label_info(3, index, vocabulary), read_label_info(3, None, vocabulary)
    assert (both.training_counts.tolist(), both.source) == ([2, 0, 1], "the training index")
    assert (words.training_counts.tolist(), words.source) == ([30, 20, 10], "the vocabulary")
    assert both.names == ["Game", "label 1", "Car"]
    assert both.verticals == ["Games", "", "Autos"]
    assert both.training_fingerprint
    assert both.vocabulary_fingerprint == words.vocabulary_fingerprint
    alone = read_label_info(3, index)
    assert (alone.training_counts.tolist(), alone.vocabulary_fingerprint) == ([2, 0, 1], None)


def test_what_is_of_other_classes_is_refused(index, vocabulary):
    with pytest.raises(InputError, match=r"train\.parquet: label 2 lies outside the 2 classes"):
        read_label_info(2, index)
    with pytest.raises(InputError, match=r"v\.csv: 3 labels, but the predictions have 4 classes"):
        read_label_info(4, None, vocabulary)


def test_predicted_videos_that_were_trained_on_are_said(index, capsys):
    read_label_info(3, index, predicted=np.array([b"x", b"y"]))
    assert capsys.readouterr().err == ""
    read_label_info(3, index, predicted=np.array([b"x", b"c", b"a"]))
    assert "the predictions: 2 of its 3 videos are also among the training videos" in capsys.readouterr().err
