"""What a run reads, how long it takes and what it costs, before it starts: arithmetic on an index and the settings."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from targets.prices import Prices
from targets.settings import Profile, Resources
from targets.throughput import Interval, Rate, Work, rate_of
from yt8m.data.rebalance.build import apply_recipe
from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.recipe import load_recipe
from yt8m.data.rebalance.training_set import TrainingSet
from yt8m.data.records.video_index import VideoIndex
from yt8m.errors import InputError
from yt8m.quiet import quiet_start
from yt8m.vocabulary import NUM_CLASSES

FRAME_LEVEL_BYTES = 251_000  # of a video: 1.53 TB over 6.1 million videos of the published dataset
SHARE_OF_TRAIN = {"validation": 1.11 / 3.9, "test": 1.11 / 3.9}  # millions of videos of the published dataset
SCALING = (0.85, 1.0)  # of each further card of a step
SIXTEEN_BITS = ("bfloat16", "float16")
DATA_STEPS = 12
HOUR = 3600.0


@dataclass(frozen=True)
class Part:
    """A step, or the steps of a kind, of a run.

    Attributes:
        name: what it is called.
        kind: data, train or predict: whose resources it has.
        videos: that it reads, as an interval like the other figures (a phase may end early).
        bytes: that it reads.
        steps: of training; (0, 0) otherwise.
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


def work_of(kind: str, name: str, preset: dict[str, Any]) -> Work:
    """What training or prediction by a preset does with a video."""
    with quiet_start():
        from yt8m.models.size import measure

    model = preset["model"]
    frames = 1 if preset["level"] == "video" else int(preset["frames"][kind]["count"])
    settings = {key: value for key, value in model.items() if key != "name"}
    size = measure(model["name"], NUM_CLASSES, frames, level=preset["level"], **settings)
    return Work(kind, name, size.flops, size.parameters, frames, int(preset["batch_size"]))


def make_training_set(index: VideoIndex, recipe: str, seed: int) -> TrainingSet:
    """The training set of an index, in memory.

    Raises:
        InputError: an unknown recipe, an index without labels, or a phase that reads nothing.
    """
    if not len(index) or not len(index.labels):
        raise InputError("the index has no labelled video; give the index of the train partition")
    rules, facts = load_recipe(recipe), Facts(index, seed)
    return TrainingSet(index, apply_recipe(rules, facts), tuple(rule.phase for rule in rules.rules))


class Estimate:
    """The parts of a run and their sums.

    Args:
        profile: the machines.
        target: kfp or vertex; Vertex AI has no spot machines for steps.
        table: of throughput.
        prices: of machines.
        precision: of training and prediction.
    """

    def __init__(self, profile: Profile, target: str, table: dict[str, Any], prices: Prices, precision: str):
        self.profile, self.target, self.table, self.prices = profile, target, table, prices
        self.precision = precision
        self.parts: list[Part] = []

    def add_data_steps(self, sizes: Sizes) -> None:
        """Indexing, checks, rebalancing, reports: the labels of all partitions are read once."""
        videos = float(sum(sizes.videos.values()))
        slow, fast = self.table["index_videos_per_second"]
        shortest, longest = self.table["step_minutes"]
        hours = (videos / fast / HOUR + DATA_STEPS * shortest / 60, videos / slow / HOUR + DATA_STEPS * longest / 60)
        self.parts.append(Part("data steps", "data", (videos, videos), (1024 * videos, 1024 * videos), (0, 0), hours))

    def add_training(self, name: str, preset: dict[str, Any], training_set: TrainingSet, sizes: Sizes) -> None:
        """One candidate: its phases, and the validations among them."""
        from yt8m.training.plan import plan_phases

        videos, steps, checks = np.zeros(2), np.zeros(2), np.zeros(2)
        for plan in plan_phases(training_set, preset):
            least = plan.epochs if plan.until.training_gap is None else min(1.0, plan.epochs)
            epochs = np.array([least, plan.epochs])
            videos += epochs * plan.size
            steps += [plan.step_at(each) for each in epochs]
            checks += epochs / plan.validate_every
        checked = checks * min(int(preset["validation_videos"]), sizes.videos["validation"])
        rate, predicting = (self._rate(work_of(kind, preset["name"], preset), "train", sizes)
                            for kind in ("train", "predict"))  # fmt: skip
        hours = _sum(_hours(videos, rate), _hours(checked, predicting))
        self._add(f"train {name}", "train", videos + checked, sizes, hours, rate, (steps[0], steps[1]))

    def add_prediction(self, name: str, preset: dict[str, Any], videos: float, sizes: Sizes) -> None:
        """One prediction of so many videos."""
        rate = self._rate(work_of("predict", preset["name"], preset), "predict", sizes)
        self._add(name, "predict", np.array([videos, videos]), sizes, _hours(np.array([videos, videos]), rate), rate)

    @property
    def bytes(self) -> Interval:
        """Read in all."""
        return _sum(*(part.bytes for part in self.parts))

    @property
    def gpu_hours(self) -> Interval:
        """Hours of cards in all: the hours of each step times its cards."""
        return _sum(*(_times(part.hours, self._cards(part.kind)) for part in self.parts))

    @property
    def cost(self) -> Interval:
        """In the currency of the prices, machines alone."""
        return _sum(*(_times(part.hours, self.price(part.kind)[0]) for part in self.parts))

    def price(self, kind: str) -> tuple[float, str]:
        """An hour of the machine of a kind of step, and where that comes from."""
        if self.profile.rates:
            return self.profile.rates[kind], f"rates of profile {self.profile.name}"
        step = self.profile.steps[kind]
        return self.prices.of(step, spot=bool(step.spot) and self.target == "kfp")

    def _cards(self, kind: str) -> int:
        gpu = self.profile.steps[kind].gpu
        return gpu.count if gpu else 0

    def _rate(self, work: Work, kind: str, sizes: Sizes) -> Rate:
        """Videos a second of a step: its cards', and no more than its machine can read."""
        gpu = self.profile.steps[kind].gpu
        if gpu is None:
            raise InputError(f"profile {self.profile.name} > steps > {kind}: without a gpu there is no estimate")
        rate = rate_of(work, gpu.vertex, self.precision_on(gpu.vertex), self.table)
        low, high = (each * (1 + (gpu.count - 1) * scale)
                     for each, scale in zip(rate.videos_per_second, SCALING, strict=True))  # fmt: skip
        slow, fast = (1e9 * each / sizes.video_bytes for each in self.table["input_gb_per_second"])
        limited = " (bounded by reading)" if slow < low or fast < high else ""
        return Rate((min(low, slow), min(high, fast)), rate.basis, rate.source + limited)

    def precision_on(self, card: str) -> str:
        """The precision that is reckoned with on a card: older ones have another of 16 bits."""
        known = self.table["cards"].get(card, {}).get("tflops", {})
        if self.precision in SIXTEEN_BITS and self.precision not in known:
            return next((each for each in SIXTEEN_BITS if each in known), self.precision)
        return self.precision

    def _add(self, name: str, kind: str, videos: np.ndarray, sizes: Sizes, hours: Interval, rate: Rate,
             steps: Interval = (0, 0)) -> None:  # fmt: skip
        shortest, longest = self.table["step_minutes"]
        interval = (float(videos[0]), float(videos[1]))
        self.parts.append(Part(name, kind, interval, _times(interval, sizes.video_bytes), steps,
                               _sum(hours, (shortest / 60, longest / 60)), rate))  # fmt: skip


def machine_of(step: Resources) -> str:
    """A machine in words."""
    gpu = f"{step.gpu.count} x {step.gpu.vertex}, " if step.gpu else ""
    return f"{gpu}{step.cpu} cores, {step.memory}"


def _hours(videos: np.ndarray, rate: Rate) -> Interval:
    slow, fast = rate.videos_per_second
    return float(videos[0]) / fast / HOUR, float(videos[1]) / slow / HOUR


def _sum(*intervals: Interval) -> Interval:
    return sum(low for low, _ in intervals), sum(high for _, high in intervals)


def _times(interval: Interval, factor: float) -> Interval:
    return interval[0] * factor, interval[1] * factor
