"""What the compiled files take from settings and prices."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from kfp import dsl

import pipeline
from components.evaluate import evaluate
from targets.cluster import backoff_max, configure
from targets.compilation import CANDIDATES, SETTINGS, compile_for, rates_of, version_of
from targets.prices import TABLE, read_prices
from targets.settings import Profile, load_profile


def test_the_hour_of_a_step_in_a_summary_is_that_of_the_estimate() -> None:
    profile, prices = load_profile(SETTINGS, "prod"), read_prices()
    rates = rates_of(profile, "kfp")
    assert rates == {kind: pytest.approx(prices.of(step, spot=False)[0], abs=1e-4)
                     for kind, step in profile.steps.items()}  # fmt: skip
    assert rates["train"] > rates["data"] > 0
    spot = replace(profile, steps={**profile.steps, "train": profile.steps["train"].model_copy(update={"spot": "gke"})})
    assert rates_of(spot, "kfp")["train"] < rates["train"] == rates_of(spot, "vertex")["train"]
    own = {"data": 1.0, "train": 2.0, "predict": 3.0}
    assert rates_of(replace(profile, rates=own), "kfp") == own


def test_without_a_price_no_cost_is_given_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = tmp_path / "prices.yaml"
    for old, new, says in (("NVIDIA_L4", "NVIDIA_L5", "no price of NVIDIA_L4"), ("USD", "CHF", "prices are in CHF")):
        prices.write_text(TABLE.read_text().replace(old, new))
        assert rates_of(load_profile(SETTINGS, "prod"), "kfp", prices) == {}
        (line,) = capsys.readouterr().err.splitlines()
        assert says in line
        assert "summaries of runs will give no cost" in line


def test_retries_last_as_long_as_every_attempt_may_take() -> None:
    """On Kubeflow the longest backoff is counted from the first attempt's begin, and ends attempts that run."""
    train = load_profile(SETTINGS, "prod").steps["train"]
    assert (train.retry.attempts, train.retry.backoff_seconds) == (5, 60)
    assert backoff_max(train, "kfp") == 6 * train.timeout_minutes * 60 + 60 * (1 + 2 + 4 + 8 + 16)
    assert backoff_max(train, "vertex") == train.retry.backoff_max_seconds


def test_a_profile_s_engine_reaches_training_and_prediction_and_decides_what_is_cached() -> None:
    profile = load_profile(SETTINGS, "dev")
    by_jax = replace(profile, engine="jax")
    assert version_of(by_jax) != version_of(profile)

    def engines(profile: Profile) -> list[str | None]:
        @dsl.pipeline(name="steps")
        def steps(predictions: dsl.Input[dsl.Dataset]) -> None:
            for kind in ("data", "train", "predict"):
                configure(evaluate(predictions=predictions, work_root=""), kind, profile, "vertex")

        executors = MessageToDict(steps.pipeline_spec)["deploymentSpec"]["executors"]
        found = [{entry["name"]: entry["value"] for entry in executors[name]["container"].get("env", ())}
                 for name in sorted(executors)]  # fmt: skip
        return [environment.get("KERAS_BACKEND") for environment in found]

    assert engines(profile) == [None, None, None]
    assert engines(by_jax) == [None, "jax", "jax"]


def test_no_module_is_asked_for_source_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which took most of a compilation."""
    monkeypatch.delattr(inspect, "stack")
    compile_for("kfp", load_profile(SETTINGS, "dev"), CANDIDATES, tmp_path / "yt8m.yaml", pipeline.make_pipeline)


def test_a_setting_that_a_task_cannot_have_is_still_named() -> None:
    @dsl.pipeline(name="inner")
    def inner(predictions: dsl.Input[dsl.Dataset]) -> None:
        evaluate(predictions=predictions, work_root="")

    with pytest.raises(ValueError, match="set_cpu_limit can only be used on single-step components"):

        @dsl.pipeline(name="outer")
        def outer(predictions: dsl.Input[dsl.Dataset]) -> None:
            inner(predictions=predictions).set_cpu_limit("1")
