"""The data of a scale: frame-level and video-level indexes of both partitions, and the training set of each recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from yt8m.artifacts import fingerprint
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.rebalance.recipe import load_recipe
from yt8m.data.records.build import build_index
from yt8m.data.records.listing import fingerprint_source
from yt8m.data.records.simulate import simulate
from yt8m.data.records.video_index import read_index
from yt8m.paper.experiments import Scale
from yt8m.progress import log
from yt8m.storage import exists, join

PARTITIONS = ("train", "validation")


@dataclass(frozen=True)
class Sources:
    """Shards: folders, globs or files of each partition; and the vocabulary, if there is one."""

    train: Sequence[str]
    validation: Sequence[str]
    vocabulary: str | None


class Data:
    """Makes what is asked for when it is first asked for; what was made of the same shards is not made again.

    Args:
        folder: or gs:// address; below it each state of the shards has a folder of indexes, training sets and
            simulated shards.
        scale: says whether frames are simulated.
        sources: the shards: video-level ones where frames are simulated, else frame-level ones.
    """

    def __init__(self, folder: str, scale: Scale, sources: Sources):
        self._home, self._scale, self.sources = folder, scale, sources

    @cached_property
    def fingerprint(self) -> str:
        """Of the shards' names and content, and of how frames are simulated.

        Raises:
            InputError: no shards of a partition.
        """
        partitions = [
            [fingerprint_source(source) for source in getattr(self.sources, partition)] for partition in PARTITIONS
        ]
        return fingerprint([partitions, self._scale.simulate])

    @property
    def folder(self) -> str:
        """Of what is made of the shards as they are now."""
        return join(self._home, self.fingerprint)

    def index(self, partition: str, level: str) -> str:
        """The index of a partition (`train` or `validation`) at a level (`frame` or `video`).

        Raises:
            InputError: no shards, bad shards.
        """
        path = join(self.folder, f"{partition}-{level}.parquet")
        if not exists(path):
            build_index(self._shards(partition, level), path)
        return path

    def training_set(self, recipe: str, level: str) -> str:
        """The training set of a recipe; videos of the validation index are excluded.

        Raises:
            InputError: the recipe selects nothing, or there is no such recipe.
        """
        found = load_recipe(recipe)
        path = join(self.folder, f"{found.name}-{level}-{fingerprint(found.source)}.parquet")
        if not exists(path):
            exclude = [self.index("validation", level)]
            build_training_set(self.index("train", level), recipe, path, exclude=exclude)
        return path

    def videos(self, partition: str) -> int:
        """How many videos a partition has."""
        return len(read_index(self.index(partition, "frame")))

    def indexed(self, partition: str) -> int | None:
        """How many videos a partition has, if it was indexed already."""
        return self.videos(partition) if exists(join(self.folder, f"{partition}-frame.parquet")) else None

    def _shards(self, partition: str, level: str) -> list[str]:
        sources = list(getattr(self.sources, partition))
        if self._scale.simulate is None or level == "video":
            return sources
        output = join(self.folder, "frames", partition)
        log(f"{partition}: simulating frames")
        evidence = list(self.sources.train) if self._scale.simulate["localized"] else None
        simulate(sources, output, evidence=evidence, **self._scale.simulate)
        return [output]
