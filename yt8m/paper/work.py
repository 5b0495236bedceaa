"""The experiments of a scale in their folder: what is there already, what is run, and the page of both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yt8m.artifacts import fingerprint
from yt8m.code_version import code_version
from yt8m.errors import InputError, Interrupted, one_line
from yt8m.paper.experiments import Experiment, Paper, StrPath, load_paper
from yt8m.paper.judge import NOT_RUN, Judge, Result
from yt8m.paper.trainings import PARTITIONS, Data, Sources, Trainings
from yt8m.progress import log
from yt8m.storage import exists, is_remote, join, read_json, write_json, write_text
from yt8m.vocabulary import read_vocabulary

PAGE, FILE = "paper.html", "paper.json"
KEYS = ("published", "ours", "interval", "verdict", "agrees", "cause")


class Work:
    """Runs and judges experiments; results are kept in `experiments/`, by all that decides them.

    Args:
        folder: or gs:// address of everything.
        paper: the experiments at a scale.
        sources: of the data.
        may_train: whether trainings that are not there are made.
    """

    def __init__(self, folder: str, paper: Paper, sources: Sources, *, may_train: bool = True):
        self.folder, self.paper, self.sources = folder, paper, sources
        self.data = Data(join(folder, "data"), paper.scale, sources)
        self.trainings = Trainings(join(folder, "trainings"), paper, self.data, may_train=may_train)
        self._judge = Judge(
            self.trainings.run,
            lambda: self.data.index("train", "frame"),
            sources.vocabulary,
            lambda: self.data.videos("train"),
            self.trainings.sizes,
        )

    def kept(self, experiment: Experiment) -> Result | None:
        """The result of an experiment, if it is there and of the same plan, data and code."""
        file = self._file(experiment)
        if not exists(file):
            return None
        try:
            result: Result = read_json(file)
            return result if result.pop("inputs", None) == self._inputs(experiment) else None
        except InputError:  # the shards are gone: what was found on others is not shown for theirs
            return None

    def result(self, experiment: Experiment) -> Result:
        """The result of an experiment, run as far as it is not; or one that says why it cannot be run."""
        kept = self.kept(experiment)
        if kept is not None:
            return kept
        log(experiment.title)
        try:
            result = self._judge.judge(experiment)
        except Interrupted:
            raise
        except Exception as error:  # whatever it is, the other experiments go on
            return self._failed(experiment, error)
        write_json(self._file(experiment), {**result, "inputs": self._inputs(experiment)})
        return result

    def write(self, results: dict[str, Result]) -> dict[str, Any]:
        """Write the page and `paper.json`; an experiment without a result stands there as not run.

        Returns:
            The content of `paper.json`.
        """
        from yt8m.paper.page import render_page  # brings matplotlib in, which takes a second

        every = {name: results.get(name) or not_run("it has not been run yet") for name in self.paper.experiments}
        table = {}
        for name, experiment in self.paper.experiments.items():
            row = {"published": experiment.published, **every[name]}
            table[name] = {key: row[key] for key in KEYS if key in row}
        write_json(join(self.folder, FILE), table)
        write_text(join(self.folder, PAGE), render_page(self.paper, every, self._videos()))
        return table

    def prepare(self, wanted: Sequence[str]) -> list[str]:
        """Make the data of experiments before they are run; the runs that they take.

        Raises:
            InputError: no shards, bad shards, or a recipe that selects nothing.
        """
        runs = self.paper.runs_of(wanted)
        for partition in PARTITIONS if runs else ():
            self.data.index(partition, "frame")
        for run in runs:
            self.data.training_set(self.paper.runs[run].recipe, self.paper.level_of(self.paper.runs[run]))
        return runs

    def _videos(self) -> dict[str, int | None]:
        try:
            return {partition: self.data.indexed(partition) for partition in PARTITIONS}
        except InputError:  # the shards are gone
            return {}

    def _failed(self, experiment: Experiment, error: Exception) -> Result:
        text = one_line(error)[:400]
        if isinstance(error, MemoryError):
            text = f"the memory does not suffice ({text})"
        elif not isinstance(error, InputError):
            text = f"{type(error).__name__}: {text}"
        log(f"{experiment.name} cannot be run: {text}")
        return not_run(text)

    def _file(self, experiment: Experiment) -> str:
        return join(self.folder, "experiments", f"{experiment.name}.json")

    def _inputs(self, experiment: Experiment) -> str:
        """Fingerprint of all that decides a result.

        Raises:
            InputError: the shards are gone.
        """
        runs = [self.paper.runs[name] for name in experiment.needed]
        presets = [[run.model_dump(), self.trainings.preset(run)] for run in runs]
        vocabulary = read_vocabulary(self.sources.vocabulary).fingerprint() if self.sources.vocabulary else None
        data, libraries = (self.data.fingerprint, self.trainings.libraries()) if runs else (None, None)
        code, seeds = code_version("paper"), self.paper.scale.seeds
        return fingerprint([experiment.model_dump(), presets, data, vocabulary, seeds, code, libraries])


def not_run(cause: str) -> Result:
    """The result of an experiment that could not be run."""
    return {"ours": None, "interval": None, "verdict": NOT_RUN, "agrees": NOT_RUN, "cause": cause}


def open_work(
    scale: str,
    output_dir: StrPath,
    *,
    train: Sequence[str] | None = None,
    validation: Sequence[str] | None = None,
    vocabulary: str | None = None,
    seeds: int | None = None,
    plan: StrPath | None = None,
    may_train: bool = True,
) -> Work:
    """The experiments of a scale, ready to be run in a folder; see `reproduce` for the arguments.

    Raises:
        InputError: an unknown scale, no shards named, a vocabulary that is none, or a folder that cannot be made.
    """
    paper = load_paper(scale, plan, seeds=seeds)
    found = _sources(paper, train, validation, vocabulary)
    return Work(_folder(output_dir), paper, found, may_train=may_train)


def wanted(paper: Paper, only: Sequence[str] | None) -> list[str]:
    """Names of experiments in their order; all, unless some are named.

    Raises:
        InputError: one that is not there.
    """
    for name in only or ():
        if name not in paper.experiments:
            raise InputError(f"--only {name}: there is no such experiment; there are {', '.join(paper.experiments)}")
    return [name for name in paper.experiments if not only or name in only]


def _sources(
    paper: Paper, train: Sequence[str] | None, validation: Sequence[str] | None, vocabulary: str | None
) -> Sources:
    scale = paper.scale
    found = Sources(train or scale.train, validation or scale.validation, vocabulary or scale.vocabulary)
    for option, value in (("--train", found.train), ("--validation", found.validation)):
        if not value:
            raise InputError(f"--scale {scale.name}: name the shards of each partition; {option} is missing")
    if found.vocabulary is not None:
        read_vocabulary(found.vocabulary)
    return found


def _folder(output_dir: StrPath) -> str:
    if is_remote(output_dir):
        return str(output_dir).rstrip("/")
    folder = Path(output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made ({error.strerror}); choose another with -o") from error
    return str(folder)
