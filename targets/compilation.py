"""`pipeline.py compile`: one pipeline function, a file for each target."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler
from kfp.dsl.base_component import BaseComponent

from targets.cluster import TARGETS, Target, configure
from targets.prices import TABLE as PRICES
from targets.prices import read_prices
from targets.settings import Profile, load_profile
from yt8m.artifacts import fingerprint
from yt8m.checks.thresholds import read_thresholds
from yt8m.code_version import code_version
from yt8m.commands._files import PIPELINE_FILES, refuse_inputs
from yt8m.errors import InputError
from yt8m.progress import log
from yt8m.registry.candidates import check_candidates, read_candidates
from yt8m.storage import scratch_folder, write_text

CURRENCY = "USD"
SETTINGS = Path(__file__).resolve().parent.parent / "settings.yaml"
CANDIDATES = [
    {"name": "netvlad", "preset": "paper-netvlad", "overrides": {}},
    {"name": "netfv", "preset": "paper-netfv", "overrides": {}},
]
DEFAULT = "#    {name}: {kind} [Default: {value}]"  # a comment; the compiler writes keys in an order that varies
MakePipeline = Callable[..., BaseComponent]


def compile_for(
    target: Target, profile: Profile, candidates: list[dict[str, Any]], path: Path, make_pipeline: MakePipeline
) -> None:
    """Write the pipeline for one target.

    Raises:
        InputError: wrong candidates.
    """
    candidates = check_candidates(candidates)
    tell_of_spot(target, profile)
    pipeline = make_pipeline(
        lambda task, kind: configure(task, kind, profile, target),
        candidates,
        version_of(profile),
        thresholds=profile.thresholds,
        rates=rates_of(profile, target),
    )
    text = compiled(pipeline, path.name)
    thresholds = read_thresholds(profile.thresholds)
    for name, kind, value in (("candidates", "list", candidates), ("thresholds", "dict", thresholds)):
        line = DEFAULT.format(name=name, kind=kind, value=json.dumps(value, sort_keys=True))
        found = re.search(rf"#\s+{name}: {kind} \[Default: .*\]", text)
        text = text.replace(found[0], line, 1) if found else text
    write_text(path, text)


def rates_of(profile: Profile, target: Target, prices: Path = PRICES) -> dict[str, float]:
    """Price of an hour in USD by kind of step: the profile's own, or by the price table; empty without either."""
    if profile.rates:
        return profile.rates
    try:
        table = read_prices(prices)
        if table.currency != CURRENCY:
            raise InputError(f"{prices}: prices are in {table.currency}, and a summary's are in {CURRENCY}")
        found = {kind: table.of(step, spot=bool(step.spot) and target == "kfp") for kind, step in profile.steps.items()}
    except InputError as error:
        log(f"profile {profile.name}: summaries of runs will give no cost ({error}); give rates in the settings file")
        return {}
    return {kind: round(price, 4) for kind, (price, _) in found.items()}


def tell_of_spot(target: Target, profile: Profile) -> None:
    """Say which steps that ask for spot machines get regular ones on a target."""
    if target == "vertex" and (spot := [kind for kind, step in profile.steps.items() if step.spot]):
        log(f"profile {profile.name}: Vertex AI Pipelines has no spot machines for steps; there {', '.join(spot)} run "
            "on regular ones, at the regular price")  # fmt: skip


def compiled(pipeline: BaseComponent, name: str) -> str:
    """A pipeline as YAML, compiled into a file of this name."""
    with scratch_folder() as scratch:
        package = scratch / name
        compiler.Compiler().compile(pipeline, str(package))
        return package.read_text(encoding="utf-8")


def version_of(profile: Profile) -> str:
    """What decides whether cached results are still right: library, engine, and images by name (in prod by digest)."""
    return fingerprint([code_version(), sorted(profile.images.items()), profile.engine])


def compile_command(args: argparse.Namespace, make_pipeline: MakePipeline) -> None:
    """Write both files."""
    refuse_inputs(PIPELINE_FILES["compile"], args)
    candidates = read_candidates(args.candidates) if args.candidates else CANDIDATES
    profile = load_profile(args.settings, args.profile)
    for target in TARGETS:
        path = args.output / f"yt8m-{target}.yaml"
        compile_for(target, profile, candidates, path, make_pipeline)
        print(path)


def add_compile_options(parser: argparse.ArgumentParser, make_pipeline: MakePipeline) -> None:
    """The options of `compile`."""
    parser.description = "Write yt8m-kfp.yaml for Kubeflow Pipelines and yt8m-vertex.yaml for Vertex AI."
    parser.epilog = "example: python pipeline.py compile --profile prod -o build"
    parser.set_defaults(run=lambda args: compile_command(args, make_pipeline))
    parser.add_argument("--profile", default="dev", help="a profile of the settings file (default: dev)")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="default: settings.yaml")
    parser.add_argument("--candidates", type=Path, help="YAML list of {name, preset, overrides}: a run's default")
    parser.add_argument("-o", "--output", type=Path, default=Path("build"), help="folder to write to (default: build)")
