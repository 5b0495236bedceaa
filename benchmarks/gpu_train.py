"""Whole trainings on a card: `yt8m train` on frame-level records of 300 frames, beside the bare step of the same model.

    KERAS_BACKEND=jax python benchmarks/gpu_train.py -o build/gpu_train.json

Records are simulated from the sample, indexed, and read from the page cache. For each preset: the bare step on a batch
that lies on the card (`gpu_step.py`), then the training as a user starts it, then its prediction. Printed are videos a
second of each, the share of the bare step that the training reaches, and the share of its time spent waiting for input,
over the steps after the first, which compiles. `--tiny` is a trial that any machine does in a few minutes.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PRESETS = ("paper-netvlad", "nextvlad")
SMALL = {"model.clusters": 4, "model.hidden": 8, "frames.train.count": 20, "frames.predict.count": 20}


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpu_train.py", description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=PRESETS, choices=PRESETS, metavar="NAME")
    parser.add_argument("--batch", type=int, default=160, metavar="N", help="videos a step (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=300, metavar="N", help="of a video (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=200, metavar="N", help="of a training (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "gpu_train", help="folder of records and models")
    parser.add_argument("--tiny", action="store_true", help="small models and batches: a trial of the benchmark")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gpu_train.json"))
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.batch, arguments.frames, arguments.steps = 16, 20, 12
    _make_records(arguments)
    head = ("model", "bare", "training", "of bare", "waiting", "prediction")
    print("{:<16}{:>12}{:>12}{:>10}{:>10}{:>12}".format(*head), flush=True)
    rows = []
    for preset in arguments.presets:
        rows.append(_measure(preset, arguments))
        row = rows[-1]
        print(f"{preset:<16}{row['bare']:>12,.0f}{row['training']:>12,.0f}{row['training'] / row['bare']:>10.0%}"
              f"{row['waiting']:>10.1%}{row['prediction']:>12,.0f}", flush=True)  # fmt: skip
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    settings = {name: getattr(arguments, name) for name in ("batch", "frames", "steps", "tiny")}
    arguments.output.write_text(json.dumps({"settings": settings, "rows": rows}, indent=2) + "\n")
    print(f"videos a second; written to {arguments.output}")
    return 0


def _yt8m(*words: Any) -> float:
    """Run a command of yt8m as a user does; its seconds."""
    environment = {"KERAS_BACKEND": "jax", **os.environ, "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "yt8m", *map(str, words)], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"yt8m {words[0]}: {done.stderr[-2000:]}")
    return time.perf_counter() - started


def _make_records(arguments: argparse.Namespace) -> None:
    data = arguments.data
    for partition in ("train", "validate"):
        folder = data / f"{partition}-{arguments.frames}"
        if not folder.exists():
            _yt8m("simulate", ROOT / "sample" / partition, "-o", folder, "--max-frames", arguments.frames)
        _yt8m("index", folder, "-o", data / f"{partition}.parquet")
    _yt8m("rebalance", data / "train.parquet", "--recipe", "all", "-o", data / "set.parquet")


def _measure(preset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    data, run = arguments.data, arguments.data / f"run-{preset}-{time.time_ns()}"
    bare = _bare(preset, arguments)
    small = [word for key, value in (SMALL if arguments.tiny else {}).items() for word in ("--set", f"{key}={value}")]
    videos = _count(data / "train.parquet")
    epochs = arguments.steps * arguments.batch / videos
    _yt8m("train", data / "set.parquet", "--validation", data / "validate.parquet", "--preset", preset, *small,
          "--set", f"batch_size={arguments.batch}", "--set", f"epochs={epochs}", "--set", f"validate_every={epochs}",
          "--set", "precision=bfloat16", "--no-saved-model", "--checkpoint-minutes", "1000", "-o", run)  # fmt: skip
    with (run / "timing.csv").open() as file:
        timing = list(csv.DictReader(file))
    seconds = _yt8m("predict", run, data / "train.parquet", "-o", run / "predictions.parquet")
    return {
        "preset": preset, "bare": bare["videos_per_second"], "device": bare["device"],
        "training": float(timing[-1]["examples_per_second"]), "waiting": float(timing[-1]["waiting_share"]),
        "prediction": videos / seconds, "videos": videos,
    }  # fmt: skip


def _bare(preset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    output = arguments.data / "step.json"
    options = ["--tiny"] if arguments.tiny else ["--batch", str(arguments.batch), "--frames", str(arguments.frames)]
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu_step.py"), "--presets", preset, "--dtypes", "bfloat16",
               *options, "-o", str(output)]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"gpu_step.py: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    row: dict[str, Any] = json.loads(output.read_text())["rows"][0]
    return row


def _count(index: Path) -> int:
    from yt8m.data.records.video_index import read_index

    return len(read_index(index))


if __name__ == "__main__":
    sys.exit(main())
