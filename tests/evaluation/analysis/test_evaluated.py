import numpy as np
import pytest

from yt8m.errors import InputError
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.prediction.table import write_predictions


def test_hits_and_misses_by_brute_force(case):
    evaluated = read_evaluated(case.path)
    missed = []
    for video, labels in enumerate(case.lists):
        top = case.ranking(video)[:20]
        assert evaluated.hits[video].tolist() == [label in labels for label in top]
        missed += [label not in top for label in labels]
        assert evaluated.missed_per_video[video] == sum(label not in top for label in labels)
    assert evaluated.missed.tolist() == missed
    assert 0 < sum(missed) < len(missed)


def test_only_the_first_20_places_count(make_random_case):
    narrow = read_evaluated(make_random_case(top=20).path)
    wide = read_evaluated(make_random_case(top=40).path)
    assert wide.top_labels.shape == narrow.top_labels.shape
    assert wide.result == narrow.result


def test_without_vocabulary_labels_are_called_by_their_index(case):
    facts = read_evaluated(case.path).labels
    assert facts.names[7] == "label 7"
    assert facts.training_counts is None
    assert not facts.has_verticals


def test_training_counts_come_from_the_index_before_the_vocabulary(case, training_index, vocabulary):
    index, words = training_index([[0, 1], [1], [59]]), vocabulary()
    both = read_evaluated(case.path, index, words).labels
    assert both.training_counts[:3].tolist() == [1, 2, 0]
    assert both.training_counts[59] == 1
    assert both.source == "the training index"
    assert both.names[1] == "name 1"
    assert read_evaluated(case.path, None, words).labels.training_counts[0] == 600


def test_frequencies_fall_back_to_the_evaluated_videos(case):
    evaluated = read_evaluated(case.path)
    expected = np.bincount([label for labels in case.lists for label in labels], minlength=60)
    assert evaluated.frequencies.tolist() == expected.tolist()


def test_predictions_without_labels_are_refused(make_case):
    case = make_case(np.random.default_rng(0).random((3, 30)), [[], [], []])
    with pytest.raises(InputError, match=r"none of the 3 videos has labels.*validate partition"):
        read_evaluated(case.path)


def test_a_vocabulary_of_another_edition_is_refused(case, vocabulary):
    with pytest.raises(InputError, match="4 labels, but the predictions have 60 classes"):
        read_evaluated(case.path, None, vocabulary(4))


def test_an_index_of_other_labels_is_refused(case, training_index):
    with pytest.raises(InputError, match="label 60 lies outside the 60 classes"):
        read_evaluated(case.path, training_index([[60]]))


def test_another_kind_of_table_is_refused(case, training_index):
    with pytest.raises(InputError, match="video_index is needed"):
        read_evaluated(case.path, case.path)
    with pytest.raises(InputError, match="predictions is needed"):
        read_evaluated(training_index([[0]]))


def test_too_few_places_are_refused(make_random_case):
    with pytest.raises(InputError, match=r"top 5 .*--top 20"):
        read_evaluated(make_random_case(top=5).path)


def test_contradicting_columns_are_refused(case, tmp_path):
    case.predictions.label_ranks[0] = 1 + case.predictions.label_ranks[0] % 20
    write_predictions(tmp_path / "bad.parquet", case.predictions)
    with pytest.raises(InputError, match=r"bad\.parquet: row \d+: a true label and its rank contradict"):
        read_evaluated(tmp_path / "bad.parquet")
