import pytest

from yt8m.evaluation.analysis.causes import explain
from yt8m.evaluation.analysis.evaluated import read_evaluated
from yt8m.evaluation.analysis.examples import example_videos


@pytest.fixture
def faulty(make_random_case, vocabulary):
    """A case with every cause but too few examples: the case, what is evaluated and explained."""
    case = make_random_case(videos=600, classes=150)
    evaluated = read_evaluated(case.path, None, vocabulary(150))
    return case, evaluated, explain(evaluated)


def test_examples_are_of_their_kind(faulty):
    _, evaluated, explained = faulty
    kinds = {kind.title: kind.examples for kind in example_videos(evaluated, explained, each=5)}
    assert {"Crowded out", "Confused with a related label", "The only label, missed", "All right"} <= set(kinds)
    for title, examples in kinds.items():
        if title not in ("The only label, missed", "Many labels, several missed", "All right"):
            assert all(any(label.why.startswith(title) for label in example.labels) for example in examples)
    assert all(len(example.labels) == 1 and example.missed for example in kinds["The only label, missed"])
    assert all(len(example.labels) >= 4 and example.missed for example in kinds["Many labels, several missed"])
    for example in kinds["All right"]:
        assert [label.rank for label in example.labels] == list(range(1, len(example.labels) + 1))


def test_a_video_is_shown_once(faulty):
    kinds = example_videos(*faulty[1:])
    shown = [example.video_id for kind in kinds for example in kind.examples]
    assert len(shown) == len(set(shown))


def test_an_example_by_brute_force(faulty):
    case, evaluated, explained = faulty
    example = example_videos(evaluated, explained)[0].examples[0]
    video = int(example.video_id[1:])
    ranking = case.ranking(video)
    assert [guess.name for guess in example.guesses] == [f"name {label}" for label in ranking[:10]]
    assert [guess.true for guess in example.guesses] == [label in case.lists[video] for label in ranking[:10]]
    for label in example.labels:
        index = int(label.name.split()[1])
        assert index in case.lists[video]
        assert ranking.index(index) + 1 == label.rank
        assert label.missed == (label.rank > 20) == bool(label.why)
        assert label.confidence == float(case.scores[video, index])


def test_a_blamed_label_is_named_beside_the_cause(faulty):
    case, evaluated, explained = faulty
    kinds = {kind.title: kind.examples for kind in example_videos(evaluated, explained)}
    for example in kinds["Confused with a related label"]:
        whys = [label.why for label in example.labels if label.why.startswith("Confused")]
        blamed = int(whys[0].split("name ")[1])
        video = int(example.video_id[1:])
        assert blamed in case.ranking(video)[:20]
        assert blamed not in case.lists[video]


def test_the_nearest_miss_comes_first(faulty):
    _, evaluated, explained = faulty
    first = example_videos(evaluated, explained)[0].examples[0]
    nearest = evaluated.predictions.label_ranks[evaluated.missed].min()
    assert min(label.rank for label in first.missed) == nearest


def test_kinds_without_a_video_are_left_out(make_case):
    evaluated = read_evaluated(make_case([[0.9, 0.1]], [[0]]).path)
    assert example_videos(evaluated, explain(evaluated)) == []
