"""Every built-in recipe on an index of 3.9 million videos with real label lists, beside pandas doing the paper's.

Each runs in a process of its own, as `yt8m rebalance` does: seconds are those of the whole command, memory is its peak.
"""

import subprocess
import sys
import tempfile
import time

from tests.golden_labels import full_size, real_labels
from yt8m.data.rebalance.recipe import recipe_names
from yt8m.data.records.video_index import write_index

PEAK = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')), file=sys.stderr)"
OURS = f"import sys; from yt8m.cli import main; assert main(sys.argv[1:]) == 0; {PEAK}"
NAIVE = f"import sys; from benchmarks.recipes import naive; naive(*sys.argv[1:]); {PEAK}"


def run() -> dict[str, dict]:
    with tempfile.TemporaryDirectory(prefix="yt8m-bench-") as folder:
        index, output = f"{folder}/index.parquet", f"{folder}/set.parquet"
        write_index(index, full_size(real_labels()))
        naive_seconds, naive_bytes = _measure(NAIVE, index, output)
        ours = {
            name: _measure(OURS, "rebalance", index, "--recipe", name, "-o", output, "--json")
            for name in recipe_names()
        }
    results = {
        f"3.9M videos, {name} beside hard-x3": _result(naive_seconds, seconds, "s")
        for name, (seconds, _) in ours.items()
    }
    return {**results, "3.9M videos, peak memory": _result(naive_bytes, max(peak for _, peak in ours.values()), "GB")}


def naive(index: str, output: str) -> None:
    """hard-x3 by pandas: a row for each copy, shuffled, written."""
    import pandas as pd

    videos = pd.read_parquet(index)
    counts = videos["labels"].map(len)
    repeats = counts.map(lambda count: 3 if count == 1 or count >= 4 else 1)
    videos.loc[videos.index.repeat(repeats)].sample(frac=1, random_state=0).to_parquet(output)


def _measure(code: str, *arguments: str) -> tuple[float, float]:
    """Seconds and peak GB of a process."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    return seconds, int(done.stderr.split()[-1]) * 1024 / 1e9


def _result(naive: float, ours: float, unit: str) -> dict:
    return {"naive": naive, "ours": ours, "ratio": naive / ours, "unit": unit}
