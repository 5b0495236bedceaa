"""A benchmark in a process of its own: its memory and threads are no burden to the next."""

import importlib


def run(name: str) -> dict[str, dict]:
    results: dict[str, dict] = importlib.import_module(f"benchmarks.{name}").run()
    return results
