"""The champion in the Vertex AI Model Registry, by the real client against an emulator that checks every request."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Vertex
from tests.promotion.conftest import Made, champion_of, make_model, offer
from yt8m import storage
from yt8m.errors import InputError
from yt8m.promotion import Terms, Thresholds, VertexTarget, roll_back, show
from yt8m.promotion import vertex as module
from yt8m.promotion.vertex import publish
from yt8m.registry.champions import Registry
from yt8m.storage import google_calls

REGISTRY = "gs://bucket/champions"
PARENT = "projects/tagging/locations/europe-west4"
MODEL = f"{PARENT}/models/yt8m"


@pytest.fixture
def target(vertex: Vertex, monkeypatch: pytest.MonkeyPatch) -> VertexTarget:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    return VertexTarget("tagging", "europe-west4", endpoint=vertex.endpoint)


@pytest.fixture
def served(tmp_path: Path) -> dict[str, Made]:
    """Models with a SavedModel."""
    qualities = {"fair": 1.2, "good": 2.0}
    return {name: make_model(tmp_path / "work", name, quality, saved_model=True) for name, quality in qualities.items()}


def aliases(vertex: Vertex) -> dict[str, list[str]]:
    return {version: model["aliases"] for version, model in vertex.models().get(MODEL, {}).items()}


def uploads(vertex: Vertex) -> int:
    return sum(path.endswith("models:upload") for _, path, status in vertex.log())


def test_a_promotion_uploads_a_version_and_moves_the_alias(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget
) -> None:
    fair, good = served["fair"], served["good"]
    made = offer(fair, REGISTRY, terms=Terms(vertex=target))
    assert made["vertex"] == {"model": MODEL, "version": "1", "uploaded": True}
    made = offer(good, REGISTRY, fair, terms=Terms(vertex=target))
    assert made["vertex"] == {"model": MODEL, "version": "2", "uploaded": True}
    assert aliases(vertex) == {
        "1": sorted(["default", f"model-{fair.fingerprint}"]),
        "2": sorted(["champion", f"model-{good.fingerprint}"]),
    }
    described = vertex.models()[MODEL]["2"]
    assert described["artifactUri"] == f"{show(REGISTRY)['model']}/saved_model"
    assert described["labels"] == {"yt8m-fingerprint": good.fingerprint}
    assert "good, change 2: its GAP 0.777" in described["description"]
    assert storage.exists(f"{described['artifactUri']}/saved_model.pb")


def test_rollback_moves_the_alias_and_nothing_is_uploaded_twice(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget
) -> None:
    fair, good = served["fair"], served["good"]
    terms = Terms(again=True, vertex=target)
    offer(fair, REGISTRY, terms=terms)
    offer(good, REGISTRY, fair, terms=terms)
    assert roll_back(REGISTRY, vertex=target)["vertex"] == {"model": MODEL, "version": "1", "uploaded": False}
    assert "champion" in aliases(vertex)["1"]
    assert "champion" not in aliases(vertex)["2"]
    assert offer(good, REGISTRY, fair, terms=terms)["vertex"] == {"model": MODEL, "version": "2", "uploaded": False}
    assert offer(good, REGISTRY, terms=terms)["vertex"]["version"] == "2"
    assert uploads(vertex) == 2


def test_a_promotion_that_was_not_published_is_published_by_the_next_run(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(served["fair"], REGISTRY, terms=Terms(vertex=target))
    vertex.fault("403", "POST", "upload")
    with pytest.raises(
        InputError, match=r"models/yt8m: access denied \(403 .*\); give this identity roles/aiplatform\.user"
    ):
        offer(served["good"], REGISTRY, served["fair"], terms=Terms(vertex=target))
    assert champion_of(REGISTRY) == served["good"].fingerprint
    assert "champion" in aliases(vertex)["1"]
    for name in ("saved_model/saved_model.pb", "model.weights.h5"):
        (served["good"].model / name).unlink()
    again = offer(served["good"], REGISTRY, terms=Terms(vertex=target))
    assert (again["promoted"], again["vertex"]["uploaded"]) == (True, True)
    assert "champion" in aliases(vertex)["2"]
    assert offer(served["good"], REGISTRY, terms=Terms(vertex=target))["promoted"] is False


@pytest.mark.parametrize(("method", "path"), [("GET", "/models/"), ("POST", "merge")])
def test_a_rollback_that_was_not_published_is_published_by_the_same_command(
    served: dict[str, Made], tmp_path: Path, vertex: Vertex, target: VertexTarget, method: str, path: str
) -> None:
    """Of three champions the last is taken back; the command that failed after that does not take back one more."""
    best = make_model(tmp_path / "work", "best", 2.3, saved_model=True)
    fair, good = served["fair"], served["good"]
    offer(fair, REGISTRY, terms=Terms(vertex=target))
    offer(good, REGISTRY, fair, terms=Terms(vertex=target))
    offer(best, REGISTRY, good, terms=Terms(vertex=target))
    vertex.fault("403", method, path)
    with pytest.raises(InputError, match=r"access denied.*good \(\w+\) is champion since change 4, which stays: run "
                       "the same command again, and it does no more than tell Vertex AI"):  # fmt: skip
        roll_back(REGISTRY, reason="bad", vertex=target)
    again = roll_back(REGISTRY, reason="bad", vertex=target)
    assert again["champion"] == {"name": "good", "fingerprint": good.fingerprint, "number": 4}
    assert again["taken_back"]["fingerprint"] == best.fingerprint
    assert again["reason"].endswith("bad")
    assert "champion" in aliases(vertex)["2"]
    assert roll_back(REGISTRY, vertex=target)["champion"]["fingerprint"] == fair.fingerprint
    assert len(Registry(REGISTRY).history()) == 5


def test_a_rollback_that_was_not_meant_to_be_published_is_done_without(
    served: dict[str, Made], tmp_path: Path, vertex: Vertex, target: VertexTarget
) -> None:
    best = make_model(tmp_path / "work", "best", 2.3, saved_model=True)
    offer(served["fair"], REGISTRY)
    offer(served["good"], REGISTRY, served["fair"])
    offer(best, REGISTRY, served["good"])
    roll_back(REGISTRY)
    assert roll_back(REGISTRY, vertex=target)["champion"]["fingerprint"] == served["fair"].fingerprint


@pytest.mark.parametrize("kind", ["401", "408", "409", "429", "503", "500", "reset", "lost"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "upload"), ("POST", "merge"), ("GET", "/models/[^/]+$"), ("GET", "operations")]
)
def test_a_service_that_stumbles_ends_in_the_same_state(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget, kind: str, method: str, path: str
) -> None:
    vertex.fault(kind, method, path, count=2)
    made = offer(served["fair"], REGISTRY, terms=Terms(vertex=target))
    version = made["vertex"]["version"]
    assert {"champion", f"model-{served['fair'].fingerprint}"} <= set(aliases(vertex)[version])
    assert len(aliases(vertex)) == 1
    stumbled = [where for _, where, status in vertex.log() if status in {0, 401, 408, 409, 429, 500, 503}]
    once = (kind, path) == ("lost", "upload")
    assert sum(bool(re.search(path, where)) for where in stumbled) == (1 if once else 2)


def test_giving_up_is_one_line_and_leaves_the_registry(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_calls, "GIVE_UP_SECONDS", 0.5)
    vertex.fault("503", "GET", "models", count=999)
    with pytest.raises(
        InputError, match=r"Vertex AI, projects/.*/models/yt8m: still failing after .*injected.*run the same command"
    ):
        offer(served["fair"], REGISTRY, terms=Terms(vertex=target))
    assert champion_of(REGISTRY) == served["fair"].fingerprint


def test_what_cannot_be_published_is_refused_before_anything_changes(
    served: dict[str, Made], tmp_path: Path, vertex: Vertex, target: VertexTarget
) -> None:
    with pytest.raises(InputError, match="Vertex AI reads models from gs:// alone"):
        offer(served["fair"], str(tmp_path / "registry"), terms=Terms(vertex=target))
    plain = make_model(tmp_path / "plain", "plain", 1.2)
    with pytest.raises(InputError, match="the model has no saved_model, which Vertex AI needs"):
        offer(plain, REGISTRY, terms=Terms(vertex=target))
    assert champion_of(REGISTRY) is None
    offer(plain, REGISTRY)
    offer(served["good"], REGISTRY, plain, terms=Terms(vertex=target))
    with pytest.raises(InputError, match="the model has no saved_model"):
        roll_back(REGISTRY, vertex=target)
    assert champion_of(REGISTRY) == served["good"].fingerprint
    for wrong, says in (
        ({"project": ""}, "both are needed"), ({"model_id": "Big"}, "--vertex-model Big: lower-case letters"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            VertexTarget(**{"project": "p", "region": "r", **wrong})


def test_what_the_service_refuses_is_one_line(served: dict[str, Made], vertex: Vertex, target: VertexTarget) -> None:
    wrong = VertexTarget("tagging", "europe-west4", serving_image="", endpoint=vertex.endpoint)
    with pytest.raises(
        InputError, match=r"models/yt8m: refused \(.*image_uri is required\).*is champion since change 1, which stays"
    ):
        offer(served["fair"], REGISTRY, terms=Terms(vertex=wrong))


def test_of_several_that_publish_the_last_champion_has_the_alias(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has read the old champion when another promotes and publishes the new one; it then sees that and mends it."""
    offer(served["fair"], REGISTRY)
    seen, go_on, set_alias = threading.Event(), threading.Event(), module._Models.set_alias

    def slowly(self: Any, version: str, alias: str) -> None:
        if threading.current_thread().name == "slow" and not seen.is_set():
            seen.set()
            go_on.wait(30)
        set_alias(self, version, alias)

    monkeypatch.setattr(module._Models, "set_alias", slowly)
    slow = threading.Thread(target=lambda: publish(Registry(REGISTRY), target), name="slow")
    slow.start()
    seen.wait(30)
    offer(served["good"], REGISTRY, served["fair"], terms=Terms(vertex=target))
    assert "champion" in aliases(vertex)["2"]
    go_on.set()
    slow.join()
    assert "champion" in aliases(vertex)["2"]
    merges = [path for _, path, _ in vertex.log() if path.endswith("mergeVersionAliases")]
    assert [path.partition("@")[2][0] for path in merges] == ["2", "1", "2"]


def test_of_two_first_uploads_at_once_the_later_one_becomes_the_second_version(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two registries with one model at the service: both find none there, so both ask for its first version."""
    found_none, find = threading.Barrier(2, timeout=30), module._Models._find

    def together(self: Any, alias: str | None = None) -> str | None:
        found = find(self, alias)
        if alias is None and found is None:
            found_none.wait()
        return found

    monkeypatch.setattr(module._Models, "_find", together)
    registries = [f"{REGISTRY}-{name}" for name in served]
    for registry, made in zip(registries, served.values(), strict=True):
        offer(made, registry)
    with ThreadPoolExecutor() as pool:
        published = list(pool.map(lambda registry: publish(Registry(registry), target), registries))
    assert sorted(made["version"] for made in published) == ["1", "2"]
    assert [made["uploaded"] for made in published] == [True, True]
    assert sorted(status for _, path, status in vertex.log() if path.endswith("models:upload")) == [200, 200, 409]
    names = {f"model-{made.fingerprint}" for made in served.values()}
    assert names <= {alias for found in aliases(vertex).values() for alias in found}


GOOD = {
    "modelId": "other",
    "model": {
        "displayName": "x", "artifactUri": "gs://bucket/m/saved_model", "containerSpec": {"imageUri": "image"},
        "versionAliases": ["model-ab"], "labels": {"a": "b"},
    },
}  # fmt: skip
WRONG: list[tuple[Any, str]] = [
    ({"modelID": "other"}, "no field named"),
    ({"modelId": "9"}, "bad model_id"),
    ({"modelId": "", "parentModel": f"{PARENT}/models/none"}, "does not exist"),
    ({"model": {"displayName": ""}}, "display_name is required"),
    ({"model": {"containerSpec": {}}}, "image_uri is required"),
    ({"model": {"containerSpec": {"image": "x"}}}, "no field named"),
    ({"model": {"artifactUri": "/tmp/m"}}, "must be a Cloud Storage directory"),
    ({"model": {"artifactUri": "gs://bucket/none"}}, "does not contain saved_model.pb"),
    ({"model": {"versionAliases": ["1"]}}, "bad version alias"),
    ({"model": {"versionAliases": "x1"}}, "repeated field|must be in"),
    ({"model": {"labels": {"a": "B"}}}, "bad label"),
    ({"model": {"versionId": "3"}}, "version_id is output only"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_the_emulator_refuses_a_wrong_upload(vertex: Vertex, change: Any, says: str) -> None:
    storage.write_text("gs://bucket/m/saved_model/saved_model.pb", "graph")
    body = {**GOOD, **change, "model": {**GOOD["model"], **change.get("model", {})}}
    status, answer = vertex.request(f"/v1/{PARENT}/models:upload", body)
    assert status in {400, 404}
    assert re.search(says, answer["error"]["message"]), answer
    assert vertex.models() == {}


def test_the_emulator_refuses_what_contradicts_its_state(vertex: Vertex) -> None:
    storage.write_text("gs://bucket/m/saved_model/saved_model.pb", "graph")
    assert vertex.request(f"/v1/{PARENT}/models:upload", GOOD)[0] == 200
    assert vertex.request(f"/v1/{PARENT}/models:upload", GOOD)[0] == 409
    assert vertex.request("/v1/projects/tagging/models:upload", GOOD)[0] == 400
    merge = f"/v1/{PARENT}/models/other@1:mergeVersionAliases"
    for path, body, status in (
        (merge, {"versionAliases": ["champion"]}, 200),
        (merge, {"versionAliases": []}, 400),
        (merge, {"versionAliases": ["-default"]}, 400),
        (merge, {"versionAliases": ["Champion"]}, 400),
        (merge, {"aliases": ["champion"]}, 400),
        (merge.replace("@1", "@7"), {"versionAliases": ["champion"]}, 404),
        (merge.replace("@1", "@champion"), {"versionAliases": ["champion"]}, 400),
        (merge.replace("@1", ""), {"versionAliases": ["champion"]}, 400),
        (f"/v1/{PARENT}/models/other@none", None, 404),
        (f"/v1/{PARENT}/models/other/operations/99", None, 404),
    ):
        assert vertex.request(path, body)[0] == status, (path, body)


def test_a_client_that_forgets_the_alias_would_be_noticed(
    served: dict[str, Made], vertex: Vertex, target: VertexTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation: without the lookup by alias the second promotion uploads the same model again."""
    offer(served["fair"], REGISTRY, terms=Terms(vertex=target))
    find = module._Models._find
    monkeypatch.setattr(module._Models, "_find", lambda self, alias=None: None if alias else find(self))
    offer(served["fair"], REGISTRY, terms=Terms(Thresholds(), vertex=target))
    assert len(aliases(vertex)) == 2
