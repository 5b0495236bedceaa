"""The whole of `yt8m reproduce`: every experiment in its order; what is finished is kept, what fails is reported."""

from collections.abc import Sequence
from typing import Any

from yt8m.paper.estimate import estimate, render_estimate
from yt8m.paper.experiments import StrPath
from yt8m.paper.work import open_work, wanted
from yt8m.progress import log


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
