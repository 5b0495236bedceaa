"""Promotions, refusals and rollbacks, in local registries and on gs://, through the real parts."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.promotion.conftest import Made, champion_of, make_model, offer, predictions_of
from yt8m import storage
from yt8m.errors import InputError, WriteConflict
from yt8m.evaluation.holdout_split import half_of
from yt8m.prediction.table import read_predictions, taken, write_predictions
from yt8m.promotion import Terms, Thresholds, promote, roll_back, show
from yt8m.registry.champions import Registry
from yt8m.runs.changes import champion_of as champion_in_force

Models = dict[str, Made]


def test_a_run_that_starts_from_nothing_is_told_of_no_champion(models: Models, registry: str) -> None:
    offer(models["good"], registry)
    assert champion_in_force(registry, "unused") == champion_of(registry)
    assert champion_in_force(registry, "unused", "nothing") == ""


def test_the_first_must_pass_the_floor_alone(models: Models, registry: str, tmp_path: Path) -> None:
    refused = offer(models["poor"], registry, card=tmp_path / "card.html")
    assert (refused["promoted"], refused["champion"], champion_of(registry)) == (False, None, None)
    assert "is not above the floor 0.5" in refused["reason"]
    assert "Not promoted: its GAP" in (tmp_path / "card.html").read_text()
    made = offer(models["fair"], registry, card=tmp_path / "card.html")
    assert made["promoted"]
    assert made["champion"] == {"name": "fair", "fingerprint": models["fair"].fingerprint, "number": 1}
    assert "it is the first champion" in made["reason"]
    assert storage.read_bytes(made["card"]).decode() == (tmp_path / "card.html").read_text()
    assert json.loads(json.dumps(made)) == made


def test_a_better_one_wins_and_a_worse_one_does_not(models: Models, registry: str) -> None:
    offer(models["fair"], registry)
    won = offer(models["good"], registry, models["fair"])
    assert won["promoted"]
    assert "better than the champion" in won["reason"]
    assert won["decision"]["gain"]["verdict"] == "better"
    assert won["decision"]["champion"]["fingerprint"] == models["fair"].fingerprint
    lost = offer(models["fair"], registry, models["good"])
    assert not lost["promoted"]
    assert "worse than the champion" in lost["reason"]
    assert champion_of(registry) == models["good"].fingerprint


def test_one_that_cannot_be_told_needs_a_gain_that_is_enough(models: Models, registry: str) -> None:
    offer(models["fair"], registry)
    result = offer(models["twin"], registry, models["fair"])
    assert not result["promoted"]
    assert "cannot be told from the champion: +0.00000" in result["reason"]
    result = offer(models["twin"], registry, models["fair"], terms=Terms(Thresholds(0.5, 0.0)))
    assert not result["promoted"]  # 0: none is enough by itself, as in the pipeline
    assert not offer(models["near"], registry, models["fair"])["promoted"]
    result = offer(models["near"], registry, models["fair"], terms=Terms(Thresholds(0.5, 1e-9)))
    assert result["promoted"]
    assert "gain over the champion is at least 1e-09" in result["reason"]


def test_contests_of_a_registry_are_numbered_won_or_lost_and_each_once(models: Models, registry: str) -> None:
    def number(made: Made, champion: Made | None = None, **thresholds: float) -> int | None:
        result = offer(made, registry, champion, terms=Terms(Thresholds(**thresholds), again=True))
        return result["decision"]["contest"]  # type: ignore[no-any-return]

    fair, twin, near, good = (models[name] for name in ("fair", "twin", "near", "good"))
    assert number(models["poor"]) is None  # no champion: nothing to be better than
    assert number(fair) is None
    assert number(twin, fair) == 1
    assert number(near, fair) == 2
    assert [number(twin, fair), number(twin, fair, floor=0.4), number(near, fair)] == [1, 1, 2]
    assert number(good, fair) == 3
    assert champion_of(registry) == good.fingerprint
    assert number(near, good) == 4  # another champion, another draw of chance
    roll_back(registry)
    assert number(good, fair) == 3
    assert number(near, good) == 4
    assert number(twin, good) == 5


def test_the_same_videos_are_the_same_contest_whichever_index_they_came_from(models: Models, tmp_path: Path) -> None:
    fair, twin, near = models["fair"], models["twin"], models["near"]
    registry = str(tmp_path / "r")
    offer(fair, registry)
    assert offer(near, registry, fair)["decision"]["contest"] == 1
    assert offer(twin, registry, fair)["decision"]["contest"] == 2
    for made in (fair, near):
        half = half_of(read_predictions(made.predictions), "promotion", "p")
        order = np.random.default_rng(0).permutation(len(half))
        write_predictions(tmp_path / f"{made.fingerprint}.parquet", taken(half, order))
    halves = (tmp_path / f"{made.fingerprint}.parquet" for made in (near, fair))
    assert promote(near.model, registry, *halves)["decision"]["contest"] == 1


def test_contests_from_before_they_were_numbered_count(models: Models, registry: str) -> None:
    offer(models["fair"], registry)
    offer(models["twin"], registry, models["fair"])
    (path,) = (file.path for file in storage.list_tree(storage.join(registry, "refusals")).values())
    old = storage.read_json(path)
    for added in ("contest", "videos", "needed_gain"):
        del old["decision"][added]
    storage.write_json(path, old)
    assert offer(models["near"], registry, models["fair"])["decision"]["contest"] == 2


def test_every_decision_is_recorded_with_its_reason_once(models: Models, registry: str) -> None:
    offer(models["fair"], registry)
    for _ in range(2):
        offer(models["twin"], registry, models["fair"])
    offer(models["poor"], registry, models["fair"])
    shown = show(registry)
    assert [change["kind"] for change in shown["history"]] == ["promotion"]
    assert shown["champion"] == shown["history"][0]
    assert {refusal["name"]: refusal["reason"].split(":")[0].split(" 0.")[0] for refusal in shown["refusals"]} == {
        "twin": "it cannot be told from the champion", "poor": "its GAP",
    }  # fmt: skip
    assert len(shown["refusals"]) == 2
    assert shown["history"][0]["decision"]["thresholds"] == {"floor": 0.5, "min_gain": None}


def test_the_champion_is_found_again_and_nothing_changes(models: Models, registry: str, tmp_path: Path) -> None:
    offer(models["fair"], registry)
    before = storage.list_tree(registry)
    again = promote(models["fair"].model, registry, "nothing is read", card=tmp_path / "card.html")
    assert not again["promoted"]
    assert "it is the champion already, since change 1" in again["reason"]
    assert again["champion"]["number"] == 1
    assert storage.list_tree(registry) == before
    assert "Promoted: it is the first champion" in (tmp_path / "card.html").read_text()


def test_the_champion_needs_no_work_root(models: Models, registry: str) -> None:
    offer(models["fair"], registry)
    contents = {path.name: path.read_bytes() for path in models["fair"].model.iterdir()}
    shutil.rmtree(models["fair"].model)
    kept = show(registry)["model"]
    assert {name: storage.read_bytes(storage.join(kept, name)) for name in contents} == contents
    assert offer(models["good"], registry, models["fair"])["promoted"]
    assert roll_back(registry)["champion"]["fingerprint"] == models["fair"].fingerprint


def test_rollback_returns_step_by_step_and_is_recorded(models: Models, registry: str) -> None:
    first, second, third = models["fair"], models["near"], models["good"]
    offer(first, registry)
    offer(second, registry, first, terms=Terms(Thresholds(0.5, 1e-9)))
    offer(third, registry, second)
    result = roll_back(registry, reason="a bad night")
    assert result["champion"] == {"name": "near", "fingerprint": second.fingerprint, "number": 4}
    assert result["taken_back"]["fingerprint"] == third.fingerprint
    assert roll_back(registry)["champion"]["fingerprint"] == first.fingerprint
    with pytest.raises(InputError, match=r"fair \(.*\) is the first champion, there is none before it"):
        roll_back(registry)
    history = show(registry)["history"]
    assert [change["kind"] for change in history] == ["promotion"] * 3 + ["rollback"] * 2
    assert history[3]["reason"] == f"rolled back from good ({third.fingerprint}): a bad night"
    assert history[4]["model"] == history[0]["model"]


def test_what_was_rolled_back_does_not_win_again_by_itself(models: Models, registry: str) -> None:
    offer(models["fair"], registry)
    offer(models["good"], registry, models["fair"])
    roll_back(registry, reason="complaints")
    result = offer(models["good"], registry, models["fair"])
    assert not result["promoted"]
    assert "taken back by change 3" in result["reason"]
    assert "complaints); promote it with --again" in result["reason"]
    result = offer(models["good"], registry, models["fair"], terms=Terms(again=True))
    assert result["promoted"]
    offer(models["fair"], registry, models["good"])
    assert champion_of(registry) == models["good"].fingerprint


def test_a_rollback_that_names_its_change_may_be_run_again(models: Models, registry: str) -> None:
    offer(models["fair"], registry)
    offer(models["good"], registry, models["fair"])
    first = roll_back(registry, change=2)
    assert roll_back(registry, change=2) == first
    assert [change.kind for change in Registry(registry).history()] == ["promotion"] * 2 + ["rollback"]
    with pytest.raises(InputError, match=r"change 1 is not in force, but 3 \(rollback of fair\); look at the history"):
        roll_back(registry, change=1)


def test_a_rollback_that_was_killed_after_its_change_is_ended_by_the_next_call(
    models: Models, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, before in (("fair", None), ("near", "fair"), ("good", "near")):
        offer(models[name], registry, models[before] if before else None, terms=Terms(Thresholds(0.5, 1e-9)))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Registry, "note_ended", killed)
        roll_back(registry, reason="bad")
    assert roll_back(registry)["champion"] == {"name": "near", "fingerprint": models["near"].fingerprint, "number": 4}
    assert roll_back(registry)["champion"]["fingerprint"] == models["fair"].fingerprint
    assert len(Registry(registry).history()) == 5


def test_a_promotion_that_is_tried_again_for_the_same_run_says_the_same(
    models: Models, registry: str, tmp_path: Path
) -> None:
    """As a step whose pod died after the registry was changed and before its results were written."""
    offer(models["fair"], registry)
    terms = Terms(run="gs://work/runs/r1")
    first = offer(models["good"], registry, models["fair"], terms=terms, card=tmp_path / "a.html")
    again = offer(models["good"], registry, models["fair"], terms=terms, card=tmp_path / "b.html")
    assert again == first
    assert first["promoted"] is True
    assert (tmp_path / "b.html").read_text() == (tmp_path / "a.html").read_text()
    later = offer(models["good"], registry, models["fair"], terms=Terms(run="gs://work/runs/r2"))
    assert (later["promoted"], later["decision"]) == (False, None)
    assert "it is the champion already, since change 2" in later["reason"]


def test_rollback_of_an_empty_registry_and_to_a_damaged_model_are_refused(models: Models, registry: str) -> None:
    with pytest.raises(InputError, match="there is no champion yet; promote a model first"):
        roll_back(registry)
    assert show(registry)["champion"] is None
    offer(models["fair"], registry)
    kept = show(registry)["model"]
    offer(models["good"], registry, models["fair"])
    storage.write_text(storage.join(kept, "model.weights.h5"), "fair" * 999 + "fail")
    with pytest.raises(InputError, match=r"model\.weights\.h5: CRC32C \w{8}, the model has \w{8}"):
        roll_back(registry)
    storage.delete(storage.join(kept, "model.weights.h5"))
    with pytest.raises(InputError, match=r"model\.weights\.h5: the file is missing"):
        roll_back(registry)
    assert champion_of(registry) == models["good"].fingerprint


def test_only_the_promotion_half_decides(models: Models, registry: str, tmp_path: Path) -> None:
    good = models["good"]
    whole = offer(good, registry)["decision"]["scores"]
    write_predictions(tmp_path / "half.parquet", half_of(read_predictions(good.predictions), "promotion", "p"))
    half = promote(good.model, str(tmp_path / "other"), tmp_path / "half.parquet")["decision"]["scores"]
    assert whole == half
    assert 200 < whole["videos"] < 400


def test_files_that_do_not_belong_are_refused(models: Models, registry: str, tmp_path: Path) -> None:
    fair, good = models["fair"], models["good"]
    with pytest.raises(InputError, match="but the challenger is"):
        promote(fair.model, registry, good.predictions)
    offer(fair, registry)
    with pytest.raises(InputError, match=r"predictions of the champion fair \(\w+\) are needed"):
        promote(good.model, registry, good.predictions)
    with pytest.raises(InputError, match="but the champion is"):
        promote(good.model, registry, good.predictions, models["twin"].predictions)
    write_predictions(tmp_path / "fewer.parquet", predictions_of(fair.fingerprint, 1.2, videos=500))
    with pytest.raises(InputError, match=r"fewer\.parquet \(champion\) and .* are of different videos"):
        promote(good.model, registry, good.predictions, tmp_path / "fewer.parquet")
    with pytest.raises(InputError, match=r"there is no model\.json"):
        promote(tmp_path, registry, good.predictions)
    assert len(show(registry)["history"]) == 1


def test_a_model_that_is_damaged_or_gone_is_not_promoted(models: Models, registry: str, tmp_path: Path) -> None:
    weights = models["fair"].model / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"model\.weights\.h5: CRC32C .* copy the whole folder of the model again"):
        offer(models["fair"], registry)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.weights\.h5: the file is missing"):
        offer(models["fair"], registry)
    manifest = json.loads((models["good"].model / "model.json").read_text())
    (tmp_path / "artifact").write_text(json.dumps({**manifest, "uri": str(tmp_path / "cleaned")}))
    with pytest.raises(InputError, match="cleaned: the files of the model are gone"):
        promote(tmp_path / "artifact", registry, models["good"].predictions)
    assert champion_of(registry) is None


def test_a_pipeline_s_manifest_names_a_model_elsewhere(models: Models, registry: str, gcs: Any, tmp_path: Path) -> None:
    made = models["good"]
    for name in ("model.json", "model.weights.h5"):
        storage.copy_file(made.model / name, f"gs://bucket/work/model/{name}")
    manifest = json.loads((made.model / "model.json").read_text())
    (tmp_path / "artifact").write_text(json.dumps({**manifest, "uri": "gs://bucket/work/model", "candidate": {}}))
    assert promote(tmp_path / "artifact", registry, made.predictions)["promoted"]
    kept = show(registry)["model"]
    assert set(storage.list_tree(kept)) == {"files.json", "model.json", "model.weights.h5"}
    assert storage.read_bytes(storage.join(kept, "model.weights.h5")) == b"good" * 1000


def race(monkeypatch: pytest.MonkeyPatch, *attempts: Any) -> list[Any]:
    """Run promotions at once, each of which has decided before any writes; results, and errors in place of some."""
    barrier, add = threading.Barrier(len(attempts)), Registry.add

    def wait_for_the_others(self: Registry, change: Any) -> None:
        barrier.wait(30)
        add(self, change)

    outcomes: list[Any] = [None] * len(attempts)

    def run(number: int) -> None:
        try:
            outcomes[number] = attempts[number]()
        except InputError as error:
            outcomes[number] = error

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "add", wait_for_the_others)
        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(attempts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return outcomes


@pytest.mark.parametrize("first", [False, True])
def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(
    models: Models, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    champion = None if first else models["fair"]
    if champion:
        offer(champion, registry)
    rivals = [make_model(tmp_path / "rivals", name, 2.0) for name in ("a", "b")]
    outcomes = race(monkeypatch, *(lambda rival=rival: offer(rival, registry, champion) for rival in rivals))
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    (told,) = [outcome for outcome in outcomes if isinstance(outcome, WriteConflict)]
    assert winner["promoted"]
    assert winner["champion"]["fingerprint"] == champion_of(registry)
    assert f"the champion is now {winner['model']['name']}" in str(told)
    assert "\n" not in str(told)
    assert len(show(registry)["history"]) == (1 if first else 2)
    loser = rivals[outcomes.index(told)]
    again = offer(loser, registry, rivals[1 - outcomes.index(told)])
    assert not again["promoted"]
    assert "cannot be told from the champion" in again["reason"]


def test_of_a_promotion_and_a_rollback_at_once_one_comes_about(
    models: Models, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(models["twin"], registry)
    offer(models["near"], registry, models["twin"], terms=Terms(Thresholds(0.5, 1e-9)))
    outcomes = race(monkeypatch, lambda: offer(models["good"], registry, models["near"]), lambda: roll_back(registry))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["WriteConflict", "dict"]
    (done,) = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    assert done["champion"]["fingerprint"] == champion_of(registry)
    assert len(show(registry)["history"]) == 3


def test_eight_at_once_keep_the_same_model_whole(
    models: Models, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = race(monkeypatch, *[lambda: offer(models["good"], registry)] * 8)
    assert sum(isinstance(outcome, dict) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, WriteConflict) for outcome in outcomes) == 7
    assert set(storage.list_tree(show(registry)["model"])) == {"files.json", "model.json", "model.weights.h5"}
