"""`pipeline.py estimate`: what a run reads, takes and costs, with the rows and prices that this rests on."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from targets.cluster import TARGETS
from targets.compilation import CANDIDATES, SETTINGS
from targets.estimate import Estimate, Sizes, machine_of, make_training_set, sizes_of
from targets.prices import TABLE as PRICES
from targets.prices import read_prices
from targets.settings import load_profile
from targets.submission import Submission
from targets.throughput import TABLE as THROUGHPUT
from targets.throughput import Interval, read_throughput
from yt8m.data.records.labels_csv import is_labels_csv, read_labels_csv
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError
from yt8m.presets import load_preset
from yt8m.progress import log
from yt8m.registry.candidates import check_candidates, read_candidates
from yt8m.seeds import check_seed

PRECISIONS = ("float32", "bfloat16")


def add_estimate_options(parser: argparse.ArgumentParser) -> None:
    """The options of `estimate`."""
    parser.description = "Say what a run reads, how long it takes and what it costs, as ranges."
    parser.epilog = "example: python pipeline.py estimate build/train.parquet --profile prod"
    parser.set_defaults(run=estimate_command)
    parser.add_argument("index", help="index of the train partition, or a CSV of VideoId,Labels")
    parser.add_argument("--validation", metavar="F", help="the same of the validation partition (default: as large "
                        "beside train as in the published dataset)")  # fmt: skip
    parser.add_argument("--test", metavar="F", help="the same of the test partition")
    parser.add_argument("--target", choices=TARGETS, default="kfp", help="decides about spot machines (default: kfp)")
    parser.add_argument("--profile", default="prod", help="a profile of the settings file (default: prod)")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="default: settings.yaml")
    parser.add_argument("--candidates", type=Path, metavar="F", help="YAML list of {name, preset, overrides}")
    parser.add_argument("--recipe", default="all", help="of the training set (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the recipe (default: 0)")
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="default: float32")
    parser.add_argument("--throughput", type=Path, default=THROUGHPUT, help="default: benchmarks/throughput.yaml")
    parser.add_argument("--prices", type=Path, default=PRICES, help="default: prices.yaml")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def estimate_command(args: argparse.Namespace) -> None:
    """Print an estimate.

    Raises:
        InputError: wrong files or options, or a card that the tables do not have.
    """
    candidates = read_candidates(args.candidates) if args.candidates else check_candidates(CANDIDATES)
    check_seed(args.seed)
    others = {name: _index(path) for name, path in (("validation", args.validation), ("test", args.test)) if path}
    train = _index(args.index)
    profile = load_profile(args.settings, args.profile)
    made = Estimate(profile, args.target, read_throughput(args.throughput), read_prices(args.prices), args.precision)
    sizes = sizes_of(train, others)
    _fill(made, sizes, train, candidates, args.recipe, args.seed)
    print(json.dumps(as_json(made, sizes), indent=2) if args.json else render(made, sizes))


def confirm_estimate(submission: Submission, index: str | None, *, ask: bool) -> None:
    """Show what a run of profile prod costs, and on a terminal ask whether to go on.

    Args:
        submission: what is sent.
        index: of the train partition, or a CSV of labels; None for none.
        ask: whether to go on only with an estimate and, on a terminal, a yes; else a missing one is only told of.

    Raises:
        InputError: no index to estimate from, or the answer was no.
    """
    if index is None:
        if ask:
            raise InputError("an estimate is shown before a run of profile prod: name the train partition's index (or "
                             "a CSV of VideoId,Labels) with --index, or go on without one with --yes")  # fmt: skip
        log("no estimate is shown, as no index is named; --index F (the train partition's index, or a CSV of "
            "VideoId,Labels) shows what a run costs")  # fmt: skip
        return
    train, values = _index(index), submission.values
    made = Estimate(submission.profile, submission.target, read_throughput(), read_prices(), PRECISIONS[0])
    sizes = sizes_of(train, {})
    _fill(made, sizes, train, submission.candidates, values["recipe"], int(values["seed"]))
    print(render(made, sizes), file=sys.stderr)
    if ask and sys.stdin.isatty() and input("start this run? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise InputError("not started, as you said no")


def _fill(made: Estimate, sizes: Sizes, train: VideoIndex, candidates: list[dict[str, Any]], recipe: str,
          seed: int) -> None:  # fmt: skip
    """All parts of a run; the best candidate is not known yet, so each is taken for it where that costs most."""
    training_set = make_training_set(train, recipe, seed)
    made.add_data_steps(sizes)
    presets = {candidate["name"]: load_preset(candidate["preset"], candidate["overrides"]) for candidate in candidates}
    for name, preset in presets.items():
        made.add_training(name, preset, training_set, sizes)
        made.add_prediction(f"predict validate {name}", preset, sizes.videos["validation"], sizes)
    alone = {}
    for name, preset in presets.items():
        trial = Estimate(made.profile, made.target, made.table, made.prices, made.precision)
        trial.add_prediction("predict test", preset, sizes.videos["test"], sizes)
        trial.add_prediction("promote-model", preset, sizes.videos["validation"] / 2, sizes)
        alone[name] = trial
    made.parts += max(alone.values(), key=lambda trial: trial.gpu_hours[1]).parts


def render(made: Estimate, sizes: Sizes) -> str:
    """The estimate in lines: parts, sums, then the rows, prices and assumptions that it rests on."""
    lines = [f"estimate for profile {made.profile.name} on {made.target}; every range is from the best to the worst "
             "case of what is assumed", ""]  # fmt: skip
    width = max(len(part.name) for part in made.parts)
    for part in made.parts:
        steps = f"{_whole(part.steps)} steps, " if part.steps[1] else ""
        lines.append(f"{part.name:<{width}}  {steps}{_whole(part.videos)} videos, {_size(part.bytes)}, "
                     f"{_range(part.hours)} h")  # fmt: skip
    currency = made.prices.currency
    lines += ["", f"{'in all':<{width}}  {_size(made.bytes)} read, {_range(made.gpu_hours)} GPU hours, "
              f"{_range(made.cost)} {currency}", "", "throughput (benchmarks/throughput.yaml):"]  # fmt: skip
    lines += [f"  {part.name}: {_whole(part.rate.videos_per_second)} videos/s, {part.rate.basis}: {part.rate.source}"
              for part in made.parts if part.rate]  # fmt: skip
    lines += ["", f"prices (prices.yaml: {made.prices.source}, as of {made.prices.as_of}; check them):"]
    for kind, step in made.profile.steps.items():
        price, source = made.price(kind)
        lines.append(f"  {kind} ({machine_of(step)}): {price:.2f} {currency} an hour, {source}")
    lines += ["", *(f"assumed: {text}" for text in sizes.assumed),
              "assumed: nothing fails, and nothing is reused from an earlier run"]  # fmt: skip
    return "\n".join(lines)


def as_json(made: Estimate, sizes: Sizes) -> dict[str, Any]:
    """The estimate as JSON values; every pair is (least, most)."""
    parts = [
        {"name": part.name, "kind": part.kind, "videos": part.videos, "bytes": part.bytes, "steps": part.steps,
         "hours": part.hours, "rate": part.rate and vars(part.rate)}
        for part in made.parts
    ]  # fmt: skip
    sums = {"bytes": made.bytes, "gpu_hours": made.gpu_hours, "cost": made.cost, "currency": made.prices.currency}
    return {"profile": made.profile.name, "target": made.target, "parts": parts, **sums, "assumed": sizes.assumed}


def _index(path: str) -> VideoIndex:
    return read_labels_csv(path) if is_labels_csv(path) else read_index(path)


def _range(interval: Interval) -> str:
    low, high = (f"{value:,.0f}" if value >= 100 else f"{value:.2g}" for value in interval)
    return low if low == high else f"{low} to {high}"


def _whole(interval: Interval) -> str:
    low, high = (f"{value:,.0f}" for value in interval)
    return low if low == high else f"{low} to {high}"


def _size(interval: Interval) -> str:
    unit, name = (1e12, "TB") if interval[1] >= 1e12 else (1e9, "GB") if interval[1] >= 1e9 else (1e6, "MB")
    low, high = (f"{value / unit:.3g}" for value in interval)
    return f"{low if low == high else f'{low} to {high}'} {name}"
