"""Index scan, rebalancing and export of frame-level shards, beside tf.data doing the same."""

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._frames import Work, cool, frame_shards, rates, warm, work
from yt8m.data.rebalance.build import build_training_set
from yt8m.data.records.build import build_index
from yt8m.loader.export import MANIFEST, export
from yt8m.storage import read_json

COPIES = 20  # links to each shard, so that a scan lasts long enough to be timed
EXPORTED = 16  # of them are exported: 2.5 GB are written, 5.5 GB of the tripled set
NEEDED = 8 << 30
MEMORY = Path("/dev/shm")  # else it is the disk that is timed


def run() -> dict[str, dict]:
    shards = frame_shards()
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as scratch:
        folder = Path(scratch)
        paths = _link(shards, folder)
        return {**_scan(paths, folder), **_rebalance(shards, folder)}


def _link(shards: list[Path], folder: Path) -> list[Path]:
    """COPIES names for each shard, so that the page cache holds them all."""
    (folder / "links").mkdir()
    paths = [folder / "links" / f"{copy:02d}{shard.name}" for copy in range(COPIES) for shard in shards]
    for number, path in enumerate(paths):
        path.hardlink_to(_on_same_disk(shards[number % len(shards)], folder))
    return paths


def _scan(paths: list[Path], folder: Path) -> dict[str, dict]:
    warm(paths)
    links = str(folder / "links")
    videos = build_index([links], folder / "index.parquet")["videos"]
    warm_naive = work(videos, lambda: _scan_naively(paths), 2)
    warm_ours = work(videos, lambda: build_index([links], folder / "index.parquet"))
    some = paths[: len(paths) // COPIES]
    cool(some)
    cold_naive = work(videos // COPIES, lambda: _scan_naively(some), 1)
    cool(some)
    sources = [str(path) for path in some]
    cold_ours = work(videos // COPIES, lambda: build_index(sources, folder / "cold.parquet"), 1)
    return {
        **rates("index scan, warm cache", "videos", warm_naive, warm_ours),
        **rates("index scan, cold cache", "videos", cold_naive, cold_ours),
    }


def _on_same_disk(shard: Path, folder: Path) -> Path:
    copy = folder / shard.name
    if not copy.exists():
        shutil.copy(shard, copy)
    return copy


def _scan_naively(paths: list[Path]) -> int:
    """Context parsing by tf.data, as the public tutorials do it."""
    import tensorflow as tf

    def parse(record):
        context, _ = tf.io.parse_single_sequence_example(
            record, {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
        )
        return context["id"], tf.sparse.to_dense(context["labels"])

    dataset = tf.data.TFRecordDataset([str(path) for path in paths]).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return sum(1 for _ in dataset.prefetch(tf.data.AUTOTUNE))


def _rebalance(shards: list[Path], folder: Path) -> dict[str, dict]:
    """The naive way reads each shard once; the rates are compared. Both write to memory where that can be had."""
    warm(shards)
    some = sorted((folder / "links").iterdir())[: EXPORTED * len(shards)]
    build_index([str(path) for path in some], folder / "few.parquet")

    def plan(index: str = "index", recipe: str = "hard-x3") -> int:
        result = build_training_set(folder / f"{index}.parquet", recipe, folder / f"{index}-{recipe}.parquet")
        return int(result["phases"][0]["examples"])

    def scan_and_plan() -> int:
        build_index([str(folder / "links")], folder / "index.parquet")
        return plan()

    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > NEEDED
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-", dir=MEMORY if roomy else None) as memory:
        naive = {recipe: _write_naively(shards, Path(memory, "naive"), recipe) for recipe in ("all", "hard-x3")}
        encoded = _write_naively(shards, Path(memory, "naive"), "all", encode=True)
        for recipe in naive:
            plan("few", recipe)
        exported = {recipe: _export(folder / f"few-{recipe}.parquet", Path(memory)) for recipe in naive}
    jobs: dict[str, tuple[Work, Work]] = {
        "tripled training set, index at hand": (naive["hard-x3"], work(plan(), plan)),
        "tripled training set, index scan included": (naive["hard-x3"], work(plan(), scan_and_plan)),
        "tripled training set, exported to shards": (naive["hard-x3"], exported["hard-x3"]),
        "each video once, exported to shards": (naive["all"], exported["all"]),
        "each video once, exported, beside encoding it again": (encoded, exported["all"]),
    }
    return {row: result for job, pair in jobs.items() for row, result in rates(job, "examples", *pair).items()}


def _export(training_set: Path, folder: Path) -> Work:
    """Each time into a folder of its own, as removing gigabytes takes time too; the first time warms the memory."""
    done = []
    for number in range(3):
        output = folder / f"export{number}"
        done.append(work(1, partial(export, training_set, output, shards=8), 1))
        records = int(read_json(output / MANIFEST)["result"]["records"])
        shutil.rmtree(output)
    return Work(records, min(one.wall for one in done), min(one.cpu for one in done))


def _naive_dataset(shards: list[Path]) -> Any:
    """Each record with its id, labels and frames, parsed in full."""
    import tensorflow as tf

    def parse(record):
        context = {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
        frames = {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in ("rgb", "audio")}
        found, lists = tf.io.parse_single_sequence_example(record, context, frames)
        return record, found["id"], tf.sparse.to_dense(found["labels"]), lists

    dataset = tf.data.TFRecordDataset([str(shard) for shard in shards])
    return dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _write_naively(shards: list[Path], output: Path, recipe: str, *, encode: bool = False) -> Work:
    """Write each parsed record once, or the hard ones three times: its old bytes, or encoded from what was parsed."""
    import tensorflow as tf

    dataset = _naive_dataset(shards)

    def write() -> int:
        written = 0
        with tf.io.TFRecordWriter(str(output)) as writer:
            for record, video_id, labels, lists in dataset:
                for _ in range(3 if recipe == "hard-x3" and (len(labels) == 1 or len(labels) >= 4) else 1):
                    writer.write(_encode(video_id, labels, lists) if encode else record.numpy())
                    written += 1
        return written

    return work(write(), write, 2)


def _encode(video_id: Any, labels: Any, lists: dict[str, Any]) -> bytes:
    """A record of tensors, as TensorFlow's guides build one."""
    from tensorflow.train import BytesList, Feature, FeatureList, FeatureLists, Features, Int64List, SequenceExample

    features = {"id": Feature(bytes_list=BytesList(value=[video_id.numpy()])),
                "labels": Feature(int64_list=Int64List(value=labels.numpy()))}  # fmt: skip
    frames = {
        name: FeatureList(feature=[Feature(bytes_list=BytesList(value=[frame])) for frame in matrix.numpy()])
        for name, matrix in lists.items()
    }
    record = SequenceExample(context=Features(feature=features), feature_lists=FeatureLists(feature_list=frames))
    return bytes(record.SerializeToString())
