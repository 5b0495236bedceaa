"""The same experiments as steps of a pipeline, which share a folder at the work root.

`prepare` makes the data, `train_run` a training of it, `judge` the result of an experiment from its trainings, and
`publish` the page. The first and the last two need neither Keras nor TensorFlow. A training that fails is noted in its
place, so that its experiments say why they were not run and the others go on.
"""

from collections.abc import Mapping
from typing import Any

from yt8m.errors import InputError
from yt8m.paper.work import FILE, PAGE, Work, open_work, wanted
from yt8m.progress import log
from yt8m.storage import copy_file, join


def prepare(settings: Mapping[str, Any], work_root: str) -> list[dict[str, Any]]:
    """Make the data of the experiments.

    Args:
        settings: `scale`, `train`, `validation`, `vocabulary`, `experiments` (names; none for all), `seeds` (0 for the
            scale's) and `plan`; empty texts for what the scale says itself.
        work_root: folder or gs:// address that outlives the machine.

    Returns:
        The trainings to make, each `{name, run, seed, settings}`; where there are none, one without a run, as a loop
        over nothing is not for every backend.

    Raises:
        InputError: wrong settings or shards.
    """
    work = _open(settings, work_root)
    runs = work.prepare(wanted(work.paper, settings["experiments"]))
    trainings = [(f"{run} {seed}", run, seed) for run in runs for seed in work.paper.scale.seeds]
    return [
        {"name": name, "run": run, "seed": seed, "settings": dict(settings)}
        for name, run, seed in trainings or [("none", "", 0)]
    ]


def train_run(training: Mapping[str, Any], work_root: str) -> str:
    """Make a training, or find it there; why it cannot be made, or nothing.

    Args:
        training: one of those that `prepare` returned.
        work_root: as `prepare` had it.
    """
    if not training["run"]:
        return ""
    work = _open(training["settings"], work_root)
    for experiment in work.paper.experiments.values():
        if experiment.sizes and training["run"] in experiment.needed:
            work.trainings.sizes(experiment.sizes)
    try:
        work.trainings.train(training["run"], int(training["seed"]))
    except InputError as error:
        log(str(error))
        return str(error)
    return ""


def experiments_of(settings: Mapping[str, Any], work_root: str) -> list[dict[str, Any]]:
    """The experiments to judge in their order, each `{name, settings}`."""
    paper = _open(settings, work_root).paper
    return [{"name": name, "settings": dict(settings)} for name in wanted(paper, settings["experiments"])]


def judge(experiment: Mapping[str, Any], work_root: str) -> dict[str, Any]:
    """The result of one of `experiments_of`: `verdict`, `agrees`, and a `cause` where it could not be run."""
    work = _open(experiment["settings"], work_root, may_train=False)
    result = work.result(work.paper.experiments[experiment["name"]])
    return {key: str(result[key]) for key in ("verdict", "agrees", "cause") if key in result}


def publish(settings: Mapping[str, Any], work_root: str, copies: Mapping[str, str]) -> dict[str, int]:
    """Write the page and `paper.json` of all that is there; how many experiments hold, do not hold, and so on.

    Args:
        settings: as `prepare` had them.
        work_root: likewise.
        copies: `paper.html` or `paper.json` -> another place for it.
    """
    work = _open(settings, work_root, may_train=False)
    chosen = wanted(work.paper, settings["experiments"])
    results = {}
    for name, experiment in work.paper.experiments.items():
        result = work.result(experiment) if name in chosen else work.kept(experiment)
        if result is not None:
            results[name] = result
    table = work.write(results)
    for name in (PAGE, FILE):
        if name in copies:
            copy_file(join(work.folder, name), copies[name])
    verdicts = [row["agrees"] for row in table.values()]
    return {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}


def folder_of(work_root: str, scale: str) -> str:
    """Where the experiments of a scale lie at a work root."""
    return join(work_root, "reproduction", scale)


def _open(settings: Mapping[str, Any], work_root: str, *, may_train: bool = True) -> Work:
    def named(key: str) -> list[str] | None:
        return [settings[key]] if settings[key] else None

    return open_work(
        settings["scale"],
        folder_of(work_root, settings["scale"]),
        train=named("train"),
        validation=named("validation"),
        vocabulary=settings["vocabulary"] or None,
        seeds=int(settings["seeds"]) or None,
        plan=settings["plan"] or None,
        may_train=may_train,
    )
