"""The whole of `yt8m reproduce`: every experiment in its order; what is finished is kept, what fails is reported."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from yt8m.checks.throughput import FRAME_LEVEL_BYTES, Throughput, in_words, read_throughput, work_of
from yt8m.data.records.build import build_index
from yt8m.paper.experiments import Paper, Run, StrPath, load_paper
from yt8m.paper.work import open_work, wanted
from yt8m.presets import load_preset
from yt8m.progress import log
from yt8m.storage import scratch_folder


def reproduce(
    scale: str,
    output_dir: StrPath,
    *,
    train: Sequence[str] | None = None,
    validation: Sequence[str] | None = None,
    vocabulary: str | None = None,
    only: Sequence[str] | None = None,
    seeds: int | None = None,
    plan: StrPath | None = None,
) -> dict[str, Any]:
    """Run the paper's experiments and write the page with ours beside the paper's.

    A killed run goes on where it was: every training, prediction and judged experiment is kept under `output_dir` by
    the fingerprint of all that decides it. An experiment that cannot be run is reported in its place.

    Args:
        scale: `sample`, `simulated` or `full` (see `yt8m/presets/paper.yaml`).
        output_dir: folder or gs:// address; gets `paper.html`, `paper.json`, `experiments/`, `trainings/` and `data/`.
        train, validation: shards of the partitions, instead of the scale's.
        vocabulary: the official CSV, instead of the scale's.
        only: names of experiments; what others have left there is on the page all the same.
        seeds: how many, instead of the scale's three.
        plan: a file like `paper.yaml`.

    Returns:
        The content of `paper.json`: for each experiment `published`, `ours`, `interval` and `verdict` (`not run`, with
        a `cause`, when it could not be run).

    Raises:
        InputError: an unknown scale or experiment, no shards, or a vocabulary that is none.
    """
    work = open_work(
        scale, output_dir, train=train, validation=validation, vocabulary=vocabulary, seeds=seeds, plan=plan
    )
    experiments = work.paper.experiments
    chosen = wanted(work.paper, only)
    if work.paper.scale.simulate is None:  # real frames: this can take days
        log(render_estimate(estimate(scale, plan=plan, seeds=seeds, only=only)))
    results = {name: kept for name, experiment in experiments.items() if (kept := work.kept(experiment))}
    for name in chosen:
        if name not in results:
            results[name] = work.result(experiments[name])
            work.write(results)
    return work.write(results)


FULL = {"train": 3_900_000, "validation": 1_112_357}
BYTES_A_FRAME = 1_170
SHARES = {
    "hard-x3": (2.173 * 2.5,), "rare-then-all": (0.301, 2.5), "all-then-rare": (2.5, 0.301),
    "rare-video-then-all": (0.2424, 2.5), "all-then-rare-video": (2.5, 0.2424),
}  # fmt: skip
"""Epochs of all videos that a recipe takes; in a rare phase one of its epochs, of which there are 2 to 10."""


def estimate(
    scale: str,
    *,
    videos: Mapping[str, int] | None = None,
    plan: StrPath | None = None,
    seeds: int | None = None,
    only: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What the experiments of a scale would take.

    The rare phases are counted with the two epochs that it takes at least to see no gain.

    Args:
        scale: its name.
        videos: of each partition (`train`, `validation`); by default those of the published ones.
        plan: a file like `paper.yaml`.
        seeds: how many, instead of the scale's.
        only: names of experiments.

    Returns:
        `videos` of each partition; `runs`: for each run `seeds`, `examples` (of all seeds), `bytes` read, `flops`, and
        `hours`: by card the least and the most; and their `total`.

    Raises:
        InputError: an unknown scale or experiment, or a plan that is none.
    """
    paper, videos, table = load_paper(scale, plan, seeds=seeds), videos or FULL, read_throughput()
    rows = {run: _row(paper, paper.runs[run], videos, table) for run in paper.runs_of(wanted(paper, only))}
    total = {key: sum(row[key] for row in rows.values()) for key in ("examples", "bytes", "flops")}
    hours = {card: sum((row["hours"][card] for row in rows.values()), np.zeros(2)).tolist() for card in table.cards}
    return {"scale": scale, "videos": dict(videos), "runs": rows, "total": {**total, "hours": hours}}


def count_videos(
    scale: str, train: Sequence[str] | None, validation: Sequence[str] | None, plan: StrPath | None = None
) -> dict[str, int]:
    """The videos of each partition: of the shards that are named or are the scale's own, else of the published ones.

    Raises:
        InputError: shards that are not there.
    """
    own = load_paper(scale, plan).scale
    sources = {"train": train or own.train, "validation": validation or own.validation}
    with scratch_folder() as scratch:
        index = os.path.join(scratch, "index.parquet")
        return {
            name: int(build_index(list(shards), index)["videos"]) if shards else FULL[name]
            for name, shards in sources.items()
        }


def _row(paper: Paper, run: Run, videos: Mapping[str, int], table: Throughput) -> dict[str, Any]:
    name, settings = paper.preset_of(run)
    preset, seeds, simulated = load_preset(name, settings), len(paper.scale.seeds), paper.scale.simulate
    read = {
        "train": round(seeds * _epochs(run, settings["epochs"]) * videos["train"]),
        "predict": seeds * videos["validation"],
    }
    size = FRAME_LEVEL_BYTES if simulated is None else BYTES_A_FRAME * simulated["max_frames"]
    works = {kind: work_of(kind, preset) for kind in read}

    def hours(card: str) -> np.ndarray:
        rates = {kind: table.rate(work, card, preset["precision"], size) for kind, work in works.items()}
        return sum((rate.hours(read[kind]) for kind, rate in rates.items()), np.zeros(2))

    return {
        "seeds": seeds,
        "examples": read["train"],
        "bytes": sum(read.values()) * size,
        "flops": sum(float(work.operations) * read[kind] for kind, work in works.items()),
        "hours": {card: hours(card).tolist() for card in table.cards},
    }


def _epochs(run: Run, epochs: float) -> float:
    """Epochs of all videos that a run reads, its own being given."""
    shares = SHARES.get(run.recipe, (epochs,))
    return sum(2 * share if share < 1 else share for share in shares)


def render_estimate(result: dict[str, Any]) -> str:
    """A line for each run, the total, and how long that is by card."""
    lines = [f"{'run':<22}{'examples':>16}{'GB read':>12}{'TFLOP':>14}"]
    for name, row in [*result["runs"].items(), ("total", result["total"])]:
        lines.append(f"{name:<22}{row['examples']:>16,}{row['bytes'] / 1e9:>12,.0f}{row['flops'] / 1e12:>14,.0f}")
    videos, hours = result["videos"], result["total"]["hours"]
    lines += [
        f"on {videos['train']:,} videos to train and {videos['validation']:,} to validate, all seeds",
        "on one card, from the best to the worst case of what yt8m/presets/throughput.yaml assumes:",
    ]
    lines += [f"{card:<22}{in_words(interval)} h" for card, interval in hours.items()]
    return "\n".join(lines)
