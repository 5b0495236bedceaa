"""Frame-level records of real video-level ones: the same ids and labels, frames that come back to the real means.

A video's frames depend on the seed and its id alone (localised: also on the directions of labels). A shard appears
whole or not at all. `simulation.json` in the output folder says what is being written before the first shard appears,
so that a killed run goes on where it stopped, and a run with other arguments knows which shards to replace.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from yt8m.artifacts import fingerprint
from yt8m.data.records.build import SIMULATED, find_shards
from yt8m.data.records.features import (
    HEADER_BYTES,
    HEADERS,
    LABELS,
    MEANS,
    RGB,
    WIDTHS,
    Context,
    FeatureError,
    Frames,
    decode_context,
    level_of,
    video_features,
)
from yt8m.data.records.frames import (
    Directions,
    draw_num_frames,
    estimate_directions,
    frames_of_mean,
    localize,
    shot_deviations,
    to_steps,
)
from yt8m.data.records.listing import fingerprint_source
from yt8m.data.records.tfrecord import EMPTY, RecordWriter, iterate
from yt8m.data.records.wire import Buffer, Features, delimited
from yt8m.errors import FETCH, InputError, RecordError
from yt8m.progress import Progress, log
from yt8m.seeds import check_seed
from yt8m.storage import (
    FileInfo,
    StrPath,
    alone_in,
    atomic_file,
    delete,
    exists,
    join,
    list_files,
    read_json,
    scratch_folder,
    stage,
    unchanged,
    version_of,
    write_json,
)

MANIFEST = "simulation.json"
LOCALIZED = "-localized"
FORMAT = 1  # of the frames' content; raised when it changes
KIND = "simulation"


class FrameLevelError(FeatureError):
    """A record that has frames already."""

    remedy = "give shards of the video level"


@dataclass(frozen=True)
class Simulation:
    """What decides about the frames of a video."""

    max_frames: int
    seed: int
    directions: Directions | None

    def frames(self, context: Context, mean_rgb: np.ndarray, mean_audio: np.ndarray) -> Frames:
        """Frames of a video by its means (features float32 [1024] and [128]).

        Raises:
            FeatureError: a mean that no quantised frames can have.
        """
        means = zip((mean_rgb, mean_audio), MEANS, strict=True)
        mean = np.concatenate([to_steps(values, name) for values, name in means])
        random = np.random.default_rng([self.seed, *context.video_id])
        deviations = shot_deviations(random, draw_num_frames(random, self.max_frames))
        if self.directions is not None:
            deviations = localize(random, deviations, context.labels, self.directions)
        frames = frames_of_mean(mean, deviations)
        return Frames(frames[:, :RGB], frames[:, RGB:])

    def record(self, payload: Buffer) -> tuple[bytes, int]:
        """The frame-level record of a video-level one, and its number of frames; raises FeatureError."""
        if level_of(payload) == "frame":
            raise FrameLevelError("it is frame level already; frames are simulated of video-level records")
        context = decode_context(payload)
        frames = self.frames(context, *video_features(payload))
        return encode_record(context.video_id, context.labels, frames), len(frames.rgb)


def simulate(
    sources: list[str],
    output_dir: StrPath,
    *,
    max_frames: int = 300,
    localized: bool = False,
    seed: int = 0,
    evidence: list[str] | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Write frame-level shards `NAME-simulated.tfrecord` (`NAME-simulated-localized.tfrecord`) of video-level ones.

    Args:
        sources: folders, globs and files of video-level shards.
        output_dir: folder of the new shards and of `simulation.json`.
        max_frames: longer videos are cut to so many frames.
        localized: whether each label's evidence sits in 10 to 25 % of the frames, the mean unchanged.
        seed: of all randomness.
        evidence: shards that say what a label's evidence looks like (localised only); by default the sources. Name
            the training shards for every partition, so that training and validation agree about it.
        workers: shards made at the same time; by default one a core.

    Returns:
        `{output_dir, shards, videos, frames, bytes, max_frames, localized, seed, fingerprint, reused}`; `reused`
        counts shards that an earlier run with the same arguments left.

    Raises:
        InputError: no shards, shards of one name, bad arguments, or shards in the output folder that are no simulation.
        RecordError: a bad record, one of frame level, or one whose mean no quantised frames can have.
    """
    _check_arguments(max_frames, seed, localized, evidence)
    shards = [_Source(file) for file in find_shards(sources)]
    clues = [_Source(file) for file in find_shards(evidence or sources)] if localized else []
    paths = [shard.path for shard in shards]
    plan = {
        "kind": KIND, "format": FORMAT, "max_frames": max_frames, "localized": localized, "seed": seed,
        "sources": [fingerprint_source(path) for path in paths],
        "evidence": [fingerprint_source(clue.path) for clue in clues],
        "names": _output_names(paths, localized),
    }  # fmt: skip
    with alone_in(output_dir, "a simulation"):
        output = _Output(os.fspath(output_dir), plan)
        missing = [shard for shard, name in zip(shards, output.names, strict=True) if name not in output.shards]
        if missing:
            directions = _estimate(clues) if localized else None
            _write_shards(Simulation(max_frames, seed, directions), missing, output, workers or os.cpu_count() or 1)
    totals = {key: sum(shard[key] for shard in output.shards.values()) for key in ("videos", "frames", "bytes")}
    return {
        "output_dir": output.folder, "shards": len(paths), **totals, "max_frames": max_frames, "localized": localized,
        "seed": seed, "fingerprint": output.fingerprint, "reused": len(paths) - len(missing),
    }  # fmt: skip


class _Source:
    """A shard as it is when the command begins: what is read of it later is what the manifest tells of.

    Args:
        file: the shard, listed before its fingerprint is taken.
    """

    def __init__(self, file: FileInfo):
        self.path, self._generation, self._version = file.path, file.generation, version_of(file.path)

    @contextmanager
    def read(self, scratch: StrPath) -> Iterator[str]:
        """Yield a local file with its content: itself, or a copy in `scratch` of the object that was listed.

        Raises:
            InputError: it was replaced since.
        """
        with unchanged(self.path, self._version):
            yield os.fspath(stage(self.path, scratch, generation=self._generation))


class _Output:
    """The output folder and its manifest.

    Attributes:
        names: of all shards that are to be there.
        shards: name -> `{videos, frames, bytes}` of those that are there, whole.
    """

    def __init__(self, folder: str, plan: dict[str, Any]):
        self.folder, self.fingerprint, self.names = folder, fingerprint(plan), plan["names"]
        self.shards: dict[str, dict[str, int]] = {}
        self._path = join(folder, MANIFEST)
        self._plan = plan
        sizes, old = self._sizes(), self._read()
        foreign = sorted(set(sizes) - set(old["names"]))
        if foreign:
            raise InputError(f"{folder}: holds {foreign[0]}, which `yt8m simulate` did not write; name an empty folder")
        if old["fingerprint"] == self.fingerprint:
            self.shards |= {name: shard for name, shard in old["shards"].items() if sizes.get(name) == shard["bytes"]}
        else:
            self._clear(sizes)

    def path(self, source: str) -> tuple[str, str]:
        """Name and path of the shard that is made of a source."""
        name = _output_name(source, self._plan["localized"])
        return name, join(self.folder, name)

    def add(self, name: str, shard: dict[str, int]) -> None:
        """Note a shard that is there now."""
        self.shards[name] = shard
        self._write()

    def _clear(self, sizes: dict[str, int]) -> None:
        if sizes:
            log(f"{self.folder}: its {len(sizes)} shards were made of other sources or arguments; replacing them")
        for name in sizes:
            delete(join(self.folder, name))
        self._write()

    def _write(self) -> None:
        shards = {name: self.shards[name] for name in self.names if name in self.shards}
        write_json(self._path, {"fingerprint": self.fingerprint, **self._plan, "shards": shards})

    def _sizes(self) -> dict[str, int]:
        """Bytes of each shard that is in the folder now."""
        try:
            return {os.path.basename(file.path): file.size for file in list_files(self.folder)}
        except InputError:  # no such folder, or no shard in it
            return {}

    def _read(self) -> dict[str, Any]:
        if not exists(self._path):
            return {"fingerprint": None, "names": []}
        manifest = read_json(self._path)
        if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
            raise InputError(f"{self._path}: not the manifest of a simulation; name an empty folder")
        return manifest


def _check_arguments(max_frames: int, seed: int, localized: bool, evidence: list[str] | None) -> None:
    if max_frames < 1:
        raise InputError(f"max_frames is {max_frames}; a video has at least 1 frame")
    check_seed(seed)
    if evidence and not localized:
        raise InputError("shards of evidence are given, but the evidence is not to be localized; add --localized")


def _output_name(source: str, localized: bool) -> str:
    stem = os.path.splitext(os.path.basename(source))[0]
    return f"{stem}{SIMULATED}{LOCALIZED if localized else ''}.tfrecord"


def _output_names(paths: Sequence[str], localized: bool) -> list[str]:
    by_name: dict[str, str] = {}
    for path in paths:
        other = by_name.setdefault(_output_name(path, localized), path)
        if other != path:
            raise InputError(f"{path}: {other} has the same name; simulate them into folders of their own")
    return list(by_name)


def _estimate(clues: Sequence[_Source]) -> Directions:
    with scratch_folder() as scratch, ExitStack() as reading:
        return estimate_directions([reading.enter_context(clue.read(scratch / str(n))) for n, clue in enumerate(clues)])


def _write_shards(simulation: Simulation, sources: Sequence[_Source], output: _Output, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool, Progress("simulating", len(sources), "shards") as progress:
        futures = {
            pool.submit(_write_shard, simulation, source, output.path(source.path)[1]): source for source in sources
        }
        try:
            for future in as_completed(futures):
                output.add(output.path(futures[future].path)[0], future.result())
                progress.advance()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write_shard(simulation: Simulation, source: _Source, path: str) -> dict[str, int]:
    videos = frames = 0
    with (
        scratch_folder() as scratch,
        atomic_file(path) as temporary,
        RecordWriter(temporary) as writer,
        source.read(scratch) as shard,
    ):
        for offset, payload in iterate(shard):
            try:
                record, num_frames = simulation.record(payload)
            except FeatureError as error:
                raise RecordError(source.path, videos, offset, str(error), error.remedy or FETCH) from None
            writer.write(record)
            videos, frames = videos + 1, frames + num_frames
        if not videos:
            raise RecordError(source.path, 0, 0, *EMPTY)
    return {"videos": videos, "frames": frames, "bytes": writer.size}


def encode_record(video_id: bytes, labels: Sequence[int] | np.ndarray, frames: Frames) -> bytes:
    """A serialised SequenceExample, byte for byte what protobuf writes for this order of fields.

    Args:
        video_id: of the video.
        labels: class indices; without any, the record has no `labels` (as in the test partition).
        frames: rgb uint8 [T, 1024] and audio uint8 [T, 128].
    """
    context = Features()
    context.feature["id"].bytes_list.value.append(video_id)
    if len(labels):
        context.feature[LABELS].int64_list.value.extend(int(label) for label in labels)
    lists = [_encode_list(name, matrix) for name, matrix in zip(WIDTHS, frames, strict=True)]
    return delimited(1, context.SerializeToString(deterministic=True)) + delimited(2, *lists)


def _encode_list(name: str, matrix: np.ndarray) -> bytes:
    rows = np.empty((len(matrix), HEADER_BYTES + WIDTHS[name]), np.uint8)
    rows[:, :HEADER_BYTES] = HEADERS[name]
    rows[:, HEADER_BYTES:] = matrix
    return delimited(1, delimited(1, name.encode()), delimited(2, rows.tobytes()))
