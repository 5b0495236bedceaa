"""Runs every benchmark, prints the table, and writes build/bench.json: `{job: {naive, ours, ratio, unit}}`.

A benchmark is a module of this folder with `run() -> dict[str, Result]`. Ratios are above 1 when ours is better: where
the unit is a time or a size, ratio = naive / ours; where it is a rate (`/s`, `/core-s`), ratio = ours / naive.
"""

import argparse
import json
import os
import pkgutil
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import benchmarks
from benchmarks._process import run
from yt8m.storage import write_json

BY_THEMSELVES = {"gpu_step", "gpu_torch", "gpu_train", "throughput"}  # need a card; renews throughput.yaml
MODULES = sorted(
    module.name
    for module in pkgutil.iter_modules(benchmarks.__path__)
    if module.name[0] != "_" and module.name not in BY_THEMSELVES
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODULES)}; all by default")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench.json"))
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(MODULES)
    if unknown:
        parser.error(f"there is no benchmark {sorted(unknown)[0]}; there are {', '.join(MODULES)}")
    results = json.loads(arguments.output.read_text()) if arguments.names and arguments.output.exists() else {}
    failed = 0
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'job':<58}{'naive':>12}{'ours':>12}{'ratio':>8}  unit", flush=True)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in arguments.names or MODULES:
            try:
                measured = pool.submit(run, name).result()
            except Exception as error:
                failed += 1
                print(f"{name} failed: {type(error).__name__}: {error}", flush=True)
                continue
            for job, result in measured.items():
                print(_row(job, result), flush=True)
            write_json(arguments.output, results := {**results, **measured})
    print(f"written to {arguments.output}" + (f"; {failed} benchmarks failed" if failed else ""))
    return 1 if failed else 0


def _row(job: str, result: dict) -> str:
    numbers = "".join(f"{result[key]:>12,.4g}" for key in ("naive", "ours"))
    return f"{job:<58}{numbers}{result['ratio']:>8.1f}  {result['unit']}"


if __name__ == "__main__":
    sys.exit(main())
