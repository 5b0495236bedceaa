"""What decides a trained model: the list of the code that counts, and each thing else that does."""

import importlib.metadata
import inspect
from typing import Any

import pytest

from yt8m import code_version
from yt8m.presets import load_preset
from yt8m.registry import identity

COUNTED = """
quiet
ragged
seeds
data: __init__
data/rebalance: __init__ training_set
data/records: __init__ features head wire
evaluation: __init__ holdout_split
evaluation/metrics: __init__ functions streaming
loader: __init__ batches known order plan reader window
models: __init__ batch_norm clustered context_gating dequantize dropout feature_scaling frame_heads heads linear losses
models: mlp net_fv net_vlad next_vlad numerics reverse_whitening seeds settings soft_assignment soft_dbof
models: squeeze_excite tagger
prediction: __init__ top_k
training: __init__ feed job optimizer phase_loop plan running_gap schedules start state trainer validation variables
training: warm_start
training/engines: __init__ objective
"""
GIVEN: dict[str, Any] = {
    "training_set": "t", "validation": "v", "num_classes": 9, "vocabulary": None, "seed": 0, "export": "best",
    "initial": None, "teacher": None, "window_bytes": None, "libraries": {"keras": "3"},
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "training_set": "u", "validation": "w", "num_classes": 8, "vocabulary": "n", "seed": 1, "export": "last",
    "initial": "m", "teacher": "m", "window_bytes": 5, "libraries": {"keras": "4"},
}  # fmt: skip


@pytest.mark.parametrize("engine", identity.ENGINES)
def test_the_code_that_counts_is_this_and_no_more(engine: str) -> None:
    """A module that training has come to import counts until it is named in DELIVERY; say here which it is."""
    expected = set()
    for line in COUNTED.strip().splitlines():
        package, _, names = line.partition(": ")
        expected |= {f"{package}/{name}" for name in names.split()} or {package}
    expected.add(f"training/engines/{engine}")
    found = code_version.counted_modules(identity.DECISIVE, identity.not_counted(engine))
    assert {file.relative_to(code_version.ROOT).with_suffix("").as_posix() for file in found} == expected


def test_whatever_is_named_as_delivery_is_there() -> None:
    for name in identity.DELIVERY:
        path = code_version.ROOT.joinpath(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").exists(), name


@pytest.mark.parametrize("name", OTHERS)
def test_each_thing_counts(name: str) -> None:
    preset = load_preset("logistic")
    base = identity.model_identity(preset, **GIVEN)
    assert identity.model_identity(preset, **{**GIVEN, name: OTHERS[name]}) != base
    parameters = set(inspect.signature(identity.model_identity).parameters)
    assert parameters == {"preset", *GIVEN} == {"preset", *OTHERS}


def test_of_a_preset_its_name_and_how_the_model_is_written_do_not_count() -> None:
    preset = load_preset("logistic")
    base = identity.model_identity(preset, **GIVEN)
    same = {**preset, "name": "mine", "export_dtype": "float16", "saved_model": False, "max_model_bytes": 1}
    assert identity.model_identity(same, **GIVEN) == base
    assert identity.model_identity({**preset, "batch_size": 7}, **GIVEN) != base
    assert identity.written_as(same) != identity.written_as(preset)


def test_another_version_of_keras_is_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity.installed_libraries("tensorflow")
    assert set(before) == {"keras", "numpy", "tensorflow"}
    assert "none" not in before.values()
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version(name) + "+x" * (name == "keras"))
    assert identity.installed_libraries("tensorflow") == {**before, "keras": before["keras"] + "+x"}


def test_what_an_engine_computes_with_counts_for_what_it_trains() -> None:
    libraries = {engine: identity.installed_libraries(engine) for engine in identity.ENGINES}
    assert set(libraries["jax"]) == {"keras", "numpy", "jax", "jaxlib"}
    assert "none" not in libraries["jax"].values()
    given = {**GIVEN, "libraries": None}
    by = {engine: identity.model_identity(load_preset("logistic", {"engine": engine}), **given) for engine in libraries}
    assert {engine: made["libraries"] for engine, made in by.items()} == libraries
    assert by["tensorflow"]["code"] != by["jax"]["code"]


def test_a_window_counts_only_where_shards_are_staged() -> None:
    assert identity.window_of("/data/shards", 5) is None
    assert identity.window_of("gs://bucket/shards", 5) == 5
