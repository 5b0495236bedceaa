"""`pipeline.py estimate`: what a run reads, takes and costs, before it starts: arithmetic on an index and the settings.

How fast a model is on a card is the library's to say (`yt8m.checks.throughput`); here are the steps of a run, its
machines and their prices.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from targets.cluster import TARGETS
from targets.compilation import CANDIDATES, SETTINGS
from targets.prices import TABLE as PRICES
from targets.prices import Prices, read_prices
from targets.settings import Profile, Resources, load_profile
from targets.submission import Submission
from yt8m.checks.throughput import (
    FRAME_LEVEL_BYTES,
    HOUR,
    Interval,
    Rate,
    Throughput,
    Work,
    in_words,
    read_throughput,
    work_of,
)
from yt8m.checks.throughput import TABLE as THROUGHPUT
from yt8m.data.rebalance.build import apply_recipe
from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.recipe import load_recipe
from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.data.records.labels_csv import is_labels_csv, read_labels_csv
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.errors import InputError
from yt8m.presets import load_preset
from yt8m.progress import log
from yt8m.registry.candidates import check_candidates, read_candidates
from yt8m.seeds import check_seed
from yt8m.training.plan import plan_phases

PRECISIONS = ("float32", "bfloat16")
SHARE_OF_TRAIN = {"validation": 1.11 / 3.9, "test": 1.11 / 3.9}  # millions of videos of the published dataset
DATA_STEPS = 12


@dataclass(frozen=True)
class Part:
    """A step, or the steps of a kind, of a run.

    Attributes:
        name: what it is called.
        kind: data, train or predict: whose resources it has.
        videos: that it reads, as an interval like the other figures (a phase may end early).
        bytes: that it reads.
        steps: of training; 0 otherwise.
        hours: of one machine.
        rate: by which the hours are reckoned; None for data steps.
    """

    name: str
    kind: str
    videos: Interval
    bytes: Interval
    steps: Interval
    hours: Interval
    rate: Rate | None = None


@dataclass(frozen=True)
class Sizes:
    """How much there is: videos by partition, and bytes of a video.

    Attributes:
        videos: by partition (train, validation, test).
        video_bytes: of one video.
        assumed: what of this was not in an index, in words.
    """

    videos: dict[str, int]
    video_bytes: float
    assumed: tuple[str, ...]


def sizes_of(train: VideoIndex, others: dict[str, VideoIndex]) -> Sizes:
    """The sizes of the partitions; those without an index are as large beside train as in the published dataset."""
    assumed = []
    total = int(train.lengths.sum(dtype=np.int64))
    if not total:
        assumed.append(f"{FRAME_LEVEL_BYTES / 1e3:.0f} KB a video, as the index holds labels alone")
    videos = {"train": len(train)}
    for name, share in SHARE_OF_TRAIN.items():
        videos[name] = len(others[name]) if name in others else round(share * len(train))
        if name not in others:
            assumed.append(f"{videos[name]:,} {name} videos, the share of the published dataset")
    return Sizes(videos, total / len(train) if total else FRAME_LEVEL_BYTES, tuple(assumed))


def make_training_set(index: VideoIndex, recipe: str, seed: int) -> TrainingSet:
    """The training set of an index, in memory.

    Raises:
        InputError: an unknown recipe, an index without labels, or a phase that reads nothing.
    """
    if not len(index) or not len(index.labels):
        raise InputError("the index has no labelled video; give the index of the train partition")
    rules, facts = load_recipe(recipe), Facts(index, seed)
    return TrainingSet(index, apply_recipe(rules, facts), tuple(rule.phase for rule in rules.rules))


@dataclass(frozen=True)
class Estimate:
    """The parts of a run and their sums.

    Attributes:
        profile: the machines.
        target: kfp or vertex; Vertex AI has no spot machines for steps.
        sizes: of the partitions.
        precision: of training and prediction.
        table: of throughput.
        prices: of machines.
        parts: added so far.
    """

    profile: Profile
    target: str
    sizes: Sizes
    precision: str = PRECISIONS[0]
    table: Throughput = field(default_factory=read_throughput)
    prices: Prices = field(default_factory=read_prices)
    parts: list[Part] = field(default_factory=list)

    def add_run(self, train: VideoIndex, candidates: list[dict[str, Any]], recipe: str, seed: int) -> None:
        """All parts of a run; the best candidate is not known yet, so each is taken for it where that costs most."""
        training_set, videos = make_training_set(train, recipe, seed), self.sizes.videos
        self.add_data_steps()
        presets = {each["name"]: load_preset(each["preset"], each["overrides"]) for each in candidates}
        alone = []
        for name, preset in presets.items():
            self.add_training(name, preset, training_set)
            self.add_prediction(f"predict validate {name}", preset, videos["validation"])
            alone.append(replace(self, parts=[]))
            alone[-1].add_prediction("predict test", preset, videos["test"])
            alone[-1].add_prediction("promote-model", preset, videos["validation"] / 2)
        self.parts.extend(max(alone, key=lambda trial: trial.gpu_hours[1]).parts)

    def add_data_steps(self) -> None:
        """Indexing, checks, rebalancing, reports: the labels of all partitions are read once."""
        videos = np.full(2, float(sum(self.sizes.videos.values())))
        indexing = videos / np.array(self.table.index_videos_per_second)[::-1] / HOUR
        around = DATA_STEPS * np.array(self.table.step_minutes) / 60
        self.parts.append(Part("data steps", "data", videos, 1024 * videos, np.zeros(2), indexing + around))

    def add_training(self, name: str, preset: dict[str, Any], training_set: TrainingSet) -> None:
        """One candidate: its phases, and the validations among them."""
        videos, steps, checks = np.zeros(2), np.zeros(2), np.zeros(2)
        for plan in plan_phases(training_set, preset):
            least = plan.epochs if plan.until.training_gap is None else min(1.0, plan.epochs)
            epochs = np.array([least, plan.epochs])
            videos += epochs * plan.size
            steps += [plan.step_at(each) for each in epochs]
            checks += epochs / plan.validate_every
        checked = checks * min(int(preset["validation_videos"]), self.sizes.videos["validation"])
        rate, predicting = (self._rate(work_of(kind, preset), "train") for kind in ("train", "predict"))
        hours = rate.hours(videos) + predicting.hours(checked)
        self._add(f"train {name}", "train", videos + checked, hours, rate, steps)

    def add_prediction(self, name: str, preset: dict[str, Any], videos: float) -> None:
        """One prediction of so many videos."""
        rate = self._rate(work_of("predict", preset), "predict")
        self._add(name, "predict", np.full(2, float(videos)), rate.hours(videos), rate, np.zeros(2))

    @property
    def bytes(self) -> Interval:
        """Read in all."""
        return np.sum([part.bytes for part in self.parts], axis=0)

    @property
    def gpu_hours(self) -> Interval:
        """Hours of cards in all: the hours of each step times its cards."""
        cards = {kind: step.gpu.count if step.gpu else 0 for kind, step in self.profile.steps.items()}
        return np.sum([cards[part.kind] * part.hours for part in self.parts], axis=0)

    @property
    def cost(self) -> Interval:
        """In the currency of the prices, machines alone."""
        return np.sum([self.price(part.kind)[0] * part.hours for part in self.parts], axis=0)

    def price(self, kind: str) -> tuple[float, str]:
        """An hour of the machine of a kind of step, and where that comes from."""
        if self.profile.rates:
            return self.profile.rates[kind], f"rates of profile {self.profile.name}"
        step = self.profile.steps[kind]
        return self.prices.of(step, spot=bool(step.spot) and self.target == "kfp")

    def _rate(self, work: Work, kind: str) -> Rate:
        gpu = self.profile.steps[kind].gpu
        if gpu is None:
            raise InputError(f"profile {self.profile.name} > steps > {kind}: without a gpu there is no estimate")
        return self.table.rate(work, gpu.vertex, self.precision, self.sizes.video_bytes, gpu.count)

    def _add(self, name: str, kind: str, videos: Interval, hours: Interval, rate: Rate, steps: Interval) -> None:
        hours = hours + np.array(self.table.step_minutes) / 60
        self.parts.append(Part(name, kind, videos, self.sizes.video_bytes * videos, steps, hours, rate))


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
    parser.add_argument("--throughput", type=Path, default=THROUGHPUT, help="default: yt8m/presets/throughput.yaml")
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
    tables = read_throughput(args.throughput), read_prices(args.prices)
    made = Estimate(profile, args.target, sizes_of(train, others), args.precision, *tables)
    made.add_run(train, candidates, args.recipe, args.seed)
    print(json.dumps(as_json(made), indent=2, default=np.ndarray.tolist) if args.json else render(made))


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
    made = Estimate(submission.profile, submission.target, sizes_of(train, {}))
    made.add_run(train, submission.candidates, values["recipe"], int(values["seed"]))
    print(render(made), file=sys.stderr)
    if ask and sys.stdin.isatty() and input("start this run? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise InputError("not started, as you said no")


def render(made: Estimate) -> str:
    """The estimate in lines: parts, sums, then the rows, prices and assumptions that it rests on."""
    lines = [f"estimate for profile {made.profile.name} on {made.target}; every range is from the best to the worst "
             "case of what is assumed", ""]  # fmt: skip
    width = max(len(part.name) for part in made.parts)
    for part in made.parts:
        steps = f"{_whole(part.steps)} steps, " if part.steps[1] else ""
        lines.append(f"{part.name:<{width}}  {steps}{_whole(part.videos)} videos, {_size(part.bytes)}, "
                     f"{in_words(part.hours)} h")  # fmt: skip
    currency = made.prices.currency
    lines += ["", f"{'in all':<{width}}  {_size(made.bytes)} read, {in_words(made.gpu_hours)} GPU hours, "
              f"{in_words(made.cost)} {currency}", "", "throughput (yt8m/presets/throughput.yaml):"]  # fmt: skip
    lines += [f"  {part.name}: {_whole(part.rate.videos_per_second)} videos/s, {part.rate.basis}: {part.rate.source}"
              for part in made.parts if part.rate]  # fmt: skip
    lines += ["", f"prices (prices.yaml: {made.prices.source}, as of {made.prices.as_of}; check them):"]
    for kind, step in made.profile.steps.items():
        price, source = made.price(kind)
        lines.append(f"  {kind} ({_machine(step)}): {price:.2f} {currency} an hour, {source}")
    lines += ["", *(f"assumed: {text}" for text in made.sizes.assumed),
              "assumed: nothing fails, and nothing is reused from an earlier run"]  # fmt: skip
    return "\n".join(lines)


def as_json(made: Estimate) -> dict[str, Any]:
    """The estimate as JSON values but for arrays, each of which is [least, most]."""
    sums = {"bytes": made.bytes, "gpu_hours": made.gpu_hours, "cost": made.cost, "currency": made.prices.currency}
    parts = [asdict(part) for part in made.parts]
    return {"profile": made.profile.name, "target": made.target, "parts": parts, **sums, "assumed": made.sizes.assumed}


def _index(path: str) -> VideoIndex:
    return read_labels_csv(path) if is_labels_csv(path) else read_index(path)


def _machine(step: Resources) -> str:
    gpu = f"{step.gpu.count} x {step.gpu.vertex}, " if step.gpu else ""
    return f"{gpu}{step.cpu} cores, {step.memory}"


def _whole(interval: Interval) -> str:
    low, high = (f"{value:,.0f}" for value in interval)
    return low if low == high else f"{low} to {high}"


def _size(interval: Interval) -> str:
    unit, name = (1e12, "TB") if interval[1] >= 1e12 else (1e9, "GB") if interval[1] >= 1e9 else (1e6, "MB")
    low, high = (f"{value / unit:.3g}" for value in interval)
    return f"{low if low == high else f'{low} to {high}'} {name}"
