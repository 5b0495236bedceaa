"""The paper's experiments as data: `yt8m/presets/paper.yaml`, or a file of the same form, read and checked."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from yt8m import presets
from yt8m.errors import InputError
from yt8m.presets import load_preset, parse_yaml
from yt8m.storage import StrPath, read_bytes

KINDS = ("curve", "difference", "scores", "imbalance", "errors")
FILE = "paper.yaml"
PACE = ("schedule", "epochs", "batch_size")


@dataclass(frozen=True)
class Run:
    """A training, once for each seed.

    Attributes:
        name: how experiments call it.
        title: how the page calls it.
        model: a model of the scale.
        schedule: `paper`, `baseline`, `own` (the scale's), or `preset`: schedule, epochs and batch size of the preset.
        recipe: of its training set.
        epochs: instead of the scale's.
    """

    name: str
    title: str
    model: str
    schedule: str
    recipe: str = "all"
    epochs: float | None = None


@dataclass(frozen=True)
class Experiment:
    """A figure or a table of the paper.

    Attributes:
        name: its key in `paper.json`.
        title: what the page calls it.
        kind: how it is judged, one of `KINDS`.
        published: the paper's figures.
        statement: what the paper says.
        run, against: the runs that are compared.
        runs: of a table, by the names of its rows.
        expected: the verdict that agrees with the paper; of a table, by row.
        sizes: the full-size preset behind each row.
    """

    name: str
    title: str
    kind: str
    published: dict[str, Any]
    statement: str
    run: str | None = None
    against: str | None = None
    runs: dict[str, str] = field(default_factory=dict)
    expected: Any = None
    sizes: dict[str, str] = field(default_factory=dict)

    @property
    def needed(self) -> list[str]:
        """The runs that it takes, the reference first."""
        return [name for name in (self.against, self.run, *self.runs.values()) if name]


@dataclass(frozen=True)
class Scale:
    """How large the experiments are.

    Attributes:
        name, about: what it is called, and what it is.
        models: preset, settings and level of each model.
        own_schedule: the schedule that runs call `own`.
        seeds: of the trainings; the runs of one seed are paired.
        epochs: of a run that does not say.
        validate_every: epochs between two validations.
        train, validation, vocabulary: where the data lie, unless told.
        simulate: `max_frames` and `localized` of the simulated frames; None: the records are frame-level already.
        settings: that differ from every preset.
        separate_processes: whether each training is a process of its own, so that one that runs out of memory ends
            alone.
    """

    name: str
    about: str
    models: dict[str, dict[str, Any]]
    own_schedule: dict[str, Any]
    seeds: list[int]
    epochs: float
    validate_every: float
    train: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)
    vocabulary: str | None = None
    simulate: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    separate_processes: bool = False


@dataclass(frozen=True)
class Paper:
    """All experiments, their runs and the schedules these name, and one scale."""

    experiments: dict[str, Experiment]
    runs: dict[str, Run]
    schedules: dict[str, dict[str, Any]]
    scale: Scale

    def preset_of(self, run: Run) -> tuple[str, dict[str, Any]]:
        """The preset of a run at this scale, and what is set over it."""
        scale, model = self.scale, self.scale.models[run.model]
        settings = {**scale.settings, "validate_every": scale.validate_every}
        if run.schedule == "preset":
            own = load_preset(model["preset"])
            return model["preset"], {**settings, **{key: own[key] for key in PACE}, **model.get("set", {})}
        schedule = scale.own_schedule if run.schedule == "own" else self.schedules[run.schedule]
        pace = {"schedule": schedule, "epochs": run.epochs or scale.epochs}
        return model["preset"], {**settings, **model.get("set", {}), **pace}

    def runs_of(self, experiments: Iterable[str]) -> list[str]:
        """The runs that some experiments take, each once, in the order of the plan."""
        needed = {run for name in experiments for run in self.experiments[name].needed}
        return [name for name in self.runs if name in needed]

    def level_of(self, run: Run) -> str:
        """`frame` or `video`: the records of a run."""
        level: str = self.scale.models[run.model].get("level", "frame")
        return level


def scale_names(file: StrPath | None = None) -> list[str]:
    """The scales that there are."""
    return list(_read(file)[0]["scales"])


def load_paper(scale: str, file: StrPath | None = None, *, seeds: int | None = None) -> Paper:
    """The experiments at a scale.

    Args:
        scale: its name.
        file: instead of the package's own `paper.yaml`.
        seeds: how many, instead of the scale's.

    Raises:
        InputError: no such file or scale, or an experiment that names something that is not there.
    """
    content, where = _read(file)
    if scale not in content["scales"]:
        raise InputError(
            f"--scale {scale}: there is no such scale in {where}; there are {', '.join(content['scales'])}"
        )
    try:
        plan = dict(content["scales"][scale])
        plan["settings"] = plan.pop("set", {})
        if seeds is not None:
            plan["seeds"] = list(range(seeds))
        paper = Paper(
            {name: Experiment(name, **value) for name, value in content["experiments"].items()},
            {name: Run(name, **value) for name, value in content["runs"].items()},
            content["schedules"],
            Scale(scale, **plan),
        )
    except TypeError as error:
        raise InputError(f"{where}: a wrong or missing key ({error}); compare it with the package's {FILE}") from error
    _check(paper, where)
    return paper


def _read(file: StrPath | None) -> tuple[dict[str, Any], str]:
    if file is None:
        path, where = resources.files(presets) / FILE, FILE
        text = path.read_text(encoding="utf-8")
    else:
        where = os.fspath(file)
        text = read_bytes(file, f"name a file like the package's {FILE}").decode("utf-8", "replace")
    try:
        content = parse_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where}: not a YAML file ({' '.join(str(error).split())})") from error
    for key in ("schedules", "runs", "experiments", "scales"):
        if not isinstance(content, dict) or not isinstance(content.get(key), dict):
            raise InputError(f"{where}: the mapping '{key}' is missing; compare it with the package's {FILE}")
    return content, where


def _check(paper: Paper, where: str) -> None:
    for experiment in paper.experiments.values():
        if experiment.kind not in KINDS:
            raise InputError(
                f"{where}, {experiment.name}: the kind is {experiment.kind!r}; it can be {', '.join(KINDS)}"
            )
        for name in experiment.needed:
            _known(name, paper.runs, f"{where}, {experiment.name}: run")
    for run in paper.runs.values():
        _known(run.model, paper.scale.models, f"{where}, run {run.name}: model")
        _known(run.schedule, {**paper.schedules, "own": None, "preset": None}, f"{where}, run {run.name}: schedule")
    if not paper.scale.seeds:
        raise InputError(f"{where}, scale {paper.scale.name}: at least one seed is needed")


def _known(name: str, there_are: dict[str, Any], what: str) -> None:
    if name not in there_are:
        raise InputError(f"{what} '{name}' is not there; there are {', '.join(there_are)}")
