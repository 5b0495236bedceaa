"""Batches of every kind as checksums, against which those of a changed loader are held.

`python -m tests.loader.golden_batches` writes `golden_batches.json` anew, from the loader as it is.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from yt8m.data.rebalance.training_set import Phase, TrainingSet
from yt8m.data.records.build import build_index
from yt8m.data.records.features import Frames
from yt8m.data.records.simulate import encode_record
from yt8m.data.records.tfrecord import RecordWriter
from yt8m.data.records.video_index import VideoIndex, read_index
from yt8m.data.records.wire import SequenceExample, delimited
from yt8m.loader import FrameSampling, prediction_batches, training_batches

GOLDEN = Path(__file__).with_suffix(".json")
SAMPLE = Path(__file__).parents[2] / "sample" / "validate" / "validate0050.tfrecord"
COUNTS = (1, 2, 5, 7, 8, 9, 30, 120, 299, 300, 301, 12)
SAMPLINGS = (
    FrameSampling("all", 300), FrameSampling("all", 8), FrameSampling("contiguous", 8),
    FrameSampling("contiguous", 300), FrameSampling("random", 30), FrameSampling("even", 16),
)  # fmt: skip
CLASSES = 40


def frames_of(count: int, seed: int) -> Frames:
    random = np.random.default_rng(seed)
    return Frames(*(random.integers(1, 256, (count, width), np.uint8) for width in (1024, 128)))


def audio_first(video_id: bytes, labels: list[int], frames: Frames) -> bytes:
    """A regular record whose feature lists stand the other way round."""
    whole = SequenceExample.FromString(encode_record(video_id, labels, frames))
    lists = b""
    for name in ("audio", "rgb"):
        feature = SequenceExample()
        feature.feature_lists.feature_list[name].CopyFrom(whole.feature_lists.feature_list[name])
        lists += feature.feature_lists.SerializeToString()
    context = SequenceExample()
    context.context.CopyFrom(whole.context)
    return context.SerializeToString() + delimited(2, lists)


def irregular(video_id: bytes, labels: list[int], frames: Frames) -> bytes:
    """The feature lists in two pieces, which protobuf merges."""
    record = SequenceExample.FromString(encode_record(video_id, labels, frames))
    context = SequenceExample()
    context.context.CopyFrom(record.context)
    payload = context.SerializeToString()
    for name in ("rgb", "audio"):
        part = SequenceExample()
        part.feature_lists.feature_list[name].CopyFrom(record.feature_lists.feature_list[name])
        payload += part.SerializeToString()
    return payload


KINDS = (encode_record, audio_first, irregular)


def make_shards(folder: Path) -> tuple[VideoIndex, VideoIndex]:
    """Indexes of frame-level shards with records of every kind, two of them damaged since, and of video-level ones."""
    (folder / "frame").mkdir(parents=True)
    (folder / "video").mkdir()
    for shard in range(3):
        with RecordWriter(folder / "frame" / f"train{shard}.tfrecord") as writer:
            for video in range(shard * 12, shard * 12 + 12):
                encode = KINDS[(video + shard) % len(KINDS)]
                writer.write(encode(f"v{video:02d}".encode(), [video, video + 3], frames_of(COUNTS[video % 12], video)))
    shutil.copy(SAMPLE, folder / "video" / SAMPLE.name)
    indexes = []
    for level in ("frame", "video"):
        build_index([str(folder / level)], folder / f"{level}.parquet")
        indexes.append(read_index(folder / f"{level}.parquet"))
    return indexes[0], indexes[1].take(np.arange(50))


def damage(folder: Path, index: VideoIndex, row: int) -> None:
    """Flip a bit of a record."""
    path = folder / "frame" / index.shards[index.shard_numbers[row]].name
    data = bytearray(path.read_bytes())
    data[int(index.offsets[row]) + 600] ^= 0x10
    path.write_bytes(data)


def digest(batch: Any) -> str:
    """Of what a model gets of a batch."""
    checksum = google_crc32c.Checksum()
    for array in (batch.rgb, batch.audio, batch.num_frames, batch.labels, batch.rows):
        checksum.update(np.ascontiguousarray(array).tobytes())
    return checksum.hexdigest().decode()


def digests(folder: Path, **options: Any) -> Iterator[tuple[str, list[str]]]:
    """By what is read, the batches of it: trained on from the start and from a later step, and predicted."""
    frame, video = make_shards(folder)
    for level, index, classes in (("frame", frame, CLASSES), ("video", video, 3862)):
        repeats = np.arange(len(index))[None, :] % 3 + 1
        training_set = TrainingSet(index, repeats.astype(np.int32), (Phase(),))
        for sampling in SAMPLINGS if level == "frame" else SAMPLINGS[:1]:
            what = f"{level} {sampling.kind} {sampling.count}"
            for start in (0, 7):
                with training_batches(
                    training_set, 0, batch_size=5, sampling=sampling, seed=3, start=start, stop=30, num_classes=classes,
                    **options,
                ) as batches:  # fmt: skip
                    yield f"{what} from step {start}", [digest(batch) for batch in batches]
            with prediction_batches(index, batch_size=8, sampling=sampling, num_classes=classes, **options) as batches:
                yield f"{what} predicted", [digest(batch) for batch in batches]
    for row in (4, 17):
        damage(folder, frame, row)
    with prediction_batches(
        frame, batch_size=8, sampling=SAMPLINGS[0], num_classes=CLASSES, skip_bad_records=True, **options
    ) as batches:
        yield "damaged", [digest(batch) for batch in batches]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        GOLDEN.write_text(json.dumps(dict(digests(Path(made))), indent=0) + "\n")
