from yt8m.analysis.evaluated import read_evaluated
from yt8m.analysis.examples import example_videos


def test_examples_are_of_their_kind(case):
    kinds = {kind.title: kind.examples for kind in example_videos(read_evaluated(case.path), each=5)}
    assert set(kinds) == {
        "Sure, and wrong", "The only label, missed", "Many labels, several missed", "Nearly found", "All right",
    }  # fmt: skip
    assert all(example.missed for example in kinds["Sure, and wrong"])
    assert all(len(example.labels) == 1 and example.missed for example in kinds["The only label, missed"])
    assert all(len(example.labels) >= 4 and example.missed for example in kinds["Many labels, several missed"])
    assert all(any(label.rank == 21 for label in example.labels) for example in kinds["Nearly found"])
    for example in kinds["All right"]:
        assert [label.rank for label in example.labels] == list(range(1, len(example.labels) + 1))


def test_a_video_is_shown_once(case):
    shown = [example.video_id for kind in example_videos(read_evaluated(case.path)) for example in kind.examples]
    assert len(shown) == len(set(shown))


def test_an_example_by_brute_force(case, vocabulary):
    kinds = example_videos(read_evaluated(case.path, None, vocabulary()))
    example = kinds[0].examples[0]
    video = int(example.video_id[1:])
    ranking = case.ranking(video)
    assert [guess.name for guess in example.guesses] == [f"name {label}" for label in ranking[:10]]
    assert [guess.true for guess in example.guesses] == [label in case.lists[video] for label in ranking[:10]]
    for label in example.labels:
        index = int(label.name.split()[1])
        assert index in case.lists[video]
        assert ranking.index(index) + 1 == label.rank
        assert label.missed == (label.rank > 20)
        assert label.confidence == float(case.scores[video, index])


def test_the_surest_mistake_comes_first(case):
    first = example_videos(read_evaluated(case.path))[0].examples[0]
    surest = max(
        max(float(case.scores[video, label]) for label in case.ranking(video)[:20] if label not in labels)
        for video, labels in enumerate(case.lists)
        if set(labels) - set(case.ranking(video)[:20])
    )
    assert max(guess.confidence for guess in first.guesses if not guess.true) == surest


def test_kinds_without_a_video_are_left_out(make_case):
    kinds = example_videos(read_evaluated(make_case([[0.9, 0.1]], [[0]]).path))
    assert kinds == []
