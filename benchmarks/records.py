"""Index scan, rebalancing and export of frame-level shards, beside tf.data doing the same."""

import shutil
import tempfile
from pathlib import Path

from benchmarks._frames import Work, cool, frame_shards, rates, warm, work
from yt8m.export import export
from yt8m.rebalance.build import build_training_set
from yt8m.records.build import build_index

COPIES = 20  # links to each shard, so that a scan lasts long enough to be timed
EXPORTED = 8  # of them are exported: 2.8 GB are written
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

    def plan(index: str = "index") -> int:
        result = build_training_set(folder / f"{index}.parquet", "hard-x3", folder / f"{index}-set.parquet")
        return int(result["phases"][0]["examples"])

    def scan_and_plan() -> int:
        build_index([str(folder / "links")], folder / "index.parquet")
        return plan()

    plan("few")
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-", dir=MEMORY if MEMORY.is_dir() else None) as memory:

        def write() -> int:
            shutil.rmtree(f"{memory}/export", ignore_errors=True)
            return int(export(folder / "few-set.parquet", f"{memory}/export", shards=8)["records"])

        written = _triple_naively(shards, Path(memory) / "naive.tfrecord")
        naive = work(written, lambda: _triple_naively(shards, Path(memory) / "naive.tfrecord"))
        exported = work(write(), write)
    jobs: dict[str, Work] = {
        "tripled training set, index at hand": work(plan(), plan),
        "tripled training set, index scan included": work(plan(), scan_and_plan),
        "tripled training set, exported to shards": exported,
    }
    return {row: result for job, ours in jobs.items() for row, result in rates(job, "examples", naive, ours).items()}


def _triple_naively(shards: list[Path], output: Path) -> int:
    """Parse every record in full, write it once or three times; how many were written."""
    import tensorflow as tf

    def parse(record):
        context, _ = tf.io.parse_single_sequence_example(
            record,
            {"labels": tf.io.VarLenFeature(tf.int64)},
            {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in ("rgb", "audio")},
        )
        return record, tf.size(context["labels"])

    dataset = tf.data.TFRecordDataset([str(shard) for shard in shards]).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    written = 0
    with tf.io.TFRecordWriter(str(output)) as writer:
        for record, labels in dataset.prefetch(tf.data.AUTOTUNE):
            count = int(labels)
            for _ in range(3 if count == 1 or count >= 4 else 1):
                writer.write(record.numpy())
                written += 1
    return written
