"""The paper's experiments as data: `yt8m/presets/paper.yaml`, or a file of the same form, read and checked."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from yt8m import presets
from yt8m.errors import InputError
from yt8m.presets import load_preset
from yt8m.presets.schema import S, Schema, needs, read_as, read_yaml
from yt8m.storage import StrPath

FILE = Path(presets.__file__).parent / "paper.yaml"
PACE = ("schedule", "epochs", "batch_size")
Number = Annotated[int | float, Field(gt=0), needs("a number above 0")]


class Run(Schema):
    """A training, once for each seed.

    Attributes:
        name: how experiments call it.
        title: how the page calls it.
        model: a model of the scale.
        schedule: `paper`, `baseline`, `own` (the scale's), or `preset`: schedule, epochs and batch size of the preset.
        recipe: of its training set.
        epochs: instead of the scale's.
    """

    title: str
    model: str
    schedule: str
    recipe: str = "all"
    epochs: Number | None = None
    name: str = Field("", init=False)


class Experiment(Schema):
    """A figure or a table of the paper.

    Attributes:
        name: its key in `paper.json`.
        title: what the page calls it.
        kind: how it is judged.
        published: the paper's figures.
        statement: what the paper says.
        run, against: the runs that are compared.
        runs: of a table, by the names of its rows.
        expected: the verdict that agrees with the paper; of a table, by row.
        sizes: the full-size preset behind each row.
    """

    title: str
    kind: Literal["curve", "difference", "scores", "imbalance", "errors"]
    published: dict[str, Any]
    statement: str
    run: str | None = None
    against: str | None = None
    runs: dict[str, str] = Field({})
    expected: Any = None
    sizes: dict[str, str] = Field({})
    name: str = Field("", init=False)

    @property
    def needed(self) -> list[str]:
        """The runs that it takes, the reference first."""
        return [name for name in (self.against, self.run, *self.runs.values()) if name]


class Scale(Schema):
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

    about: str
    models: dict[str, dict[str, Any]]
    own_schedule: dict[str, Any]
    seeds: Annotated[list[int], Field(min_length=1), needs("a list of at least one seed")]
    epochs: Number
    validate_every: Number
    train: list[str] = Field([])
    validation: list[str] = Field([])
    vocabulary: str | None = None
    simulate: dict[str, Any] | None = None
    settings: dict[str, Any] = Field({}, alias="set")
    separate_processes: bool = False
    name: str = Field("", init=False)


class _Plan(Schema):
    schedules: dict[str, dict[str, Any]]
    runs: dict[str, Run]
    experiments: dict[str, Experiment]
    scales: dict[str, Scale]


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
    return list(_read(file)[0].scales)


def load_paper(scale: str, file: StrPath | None = None, *, seeds: int | None = None) -> Paper:
    """The experiments at a scale.

    Args:
        scale: its name.
        file: instead of the package's own `paper.yaml`.
        seeds: how many, instead of the scale's.

    Raises:
        InputError: no such file or scale, or an experiment that names something that is not there.
    """
    plan, where = _read(file)
    if scale not in plan.scales:
        raise InputError(f"--scale {scale}: there is no such scale in {where}; there are {', '.join(plan.scales)}")
    chosen = plan.scales[scale].model_copy(
        update={"name": scale, **({} if seeds is None else {"seeds": list(range(seeds))})}
    )
    paper = Paper(_named(plan.experiments), _named(plan.runs), plan.schedules, chosen)
    _check(paper, where)
    return paper


def _read(file: StrPath | None) -> tuple[_Plan, str]:
    where = FILE.name if file is None else os.fspath(file)
    return read_as(_Plan, read_yaml(file or FILE, f"name a file like the package's {FILE.name}"), where), where


def _named(entries: dict[str, S]) -> dict[str, S]:
    """The entries of a file, each with its key as its name."""
    return {name: entry.model_copy(update={"name": name}) for name, entry in entries.items()}


def _check(paper: Paper, where: str) -> None:
    for experiment in paper.experiments.values():
        for name in experiment.needed:
            _known(name, paper.runs, f"{where}, {experiment.name}: run")
    for run in paper.runs.values():
        _known(run.model, paper.scale.models, f"{where}, run {run.name}: model")
        _known(run.schedule, {**paper.schedules, "own": None, "preset": None}, f"{where}, run {run.name}: schedule")


def _known(name: str, there_are: dict[str, Any], what: str) -> None:
    if name not in there_are:
        raise InputError(f"{what} '{name}' is not there; there are {', '.join(there_are)}")
