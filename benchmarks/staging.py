"""Shards from gs:// to a local disk: the client's own download, and its ranged reads, beside ours.

Against the storage emulator of the tests, a process of its own: what counts is how many bytes a core of this machine
takes in. Rates by the clock are those of the emulator, which shares the cores, and say little of a bucket.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIZE, RANGE, ROUNDS, MB = 256 << 20, 16 << 20, 3, 1e6
EMULATOR = Path(__file__).parents[1] / "tests" / "emulators" / "gcs.py"
ADDRESS = "gs://bucket/shard.tfrecord"


def run() -> dict[str, dict]:
    emulator = subprocess.Popen([sys.executable, str(EMULATOR)], stdout=subprocess.PIPE, text=True)
    try:
        assert emulator.stdout
        port = int(emulator.stdout.readline())
        os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{port}"
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/storage/v1/b", json.dumps({"name": "bucket"}))
        connection.getresponse().read()
        with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as folder:
            return _compare(Path(folder))
    finally:
        emulator.kill()


def _compare(folder: Path) -> dict[str, dict]:
    from yt8m.storage import cloud

    (folder / "shard").write_bytes(np.random.default_rng(0).bytes(SIZE))
    cloud.upload(folder / "shard", ADDRESS)
    copy = folder / "copy"

    def ranged_reads() -> None:
        with copy.open("wb") as file:
            for offset in range(0, SIZE, RANGE):
                file.write(cloud.read_range(ADDRESS, offset, RANGE))

    def our_ranges() -> None:
        with copy.open("wb") as file:
            for offset in range(0, SIZE, RANGE):
                cloud.copy_range(ADDRESS, file, offset, RANGE)

    whole = (
        _rate(lambda: cloud.blob_of(ADDRESS).download_to_filename(copy)),
        _rate(lambda: cloud.download(ADDRESS, copy)),
    )
    ranges = _rate(ranged_reads), _rate(our_ranges)
    return {
        f"staging a shard, {what}": {"naive": naive, "ours": ours, "ratio": ours / naive, "unit": "MB/core-s"}
        for what, (naive, ours) in {"whole": whole, "ranges of 16 MB": ranges}.items()
    }


def _rate(job: Callable[[], object]) -> float:
    """MB a second of processor time, the best of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        job()
        seconds.append(time.process_time() - started)
    return SIZE / MB / min(seconds)
