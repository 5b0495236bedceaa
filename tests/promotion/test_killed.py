"""Killed between any two steps of a promotion, the old champion stays and is whole; the rerun completes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.promotion.conftest import Made, champion_of, offer
from yt8m import storage
from yt8m.promotion import show

SERVER = """
import os, signal, sys
from yt8m.promotion import promote
from yt8m.registry import champions, files
from yt8m.storage import local
import pandas  # which pyarrow imports at its first array

module, steps = sys.modules["yt8m.promotion.promote"], 0

def step(work):
    def counted(*arguments, **options):
        global steps
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return work(*arguments, **options)
    return counted

def link(*names, work=os.link):
    work(*names)
    if last == -1:
        os.kill(os.getpid(), signal.SIGKILL)

files.copy_file, files.write_json = step(files.copy_file), step(files.write_json)
module.write_text, champions.create_json = step(module.write_text), step(champions.create_json)
os.replace, os.link = step(os.replace), step(link)
print("ready", flush=True)
for line in sys.stdin:
    last = int(line)
    process = os.fork()
    if not process:
        promote(*sys.argv[1:])
        os._exit(0)
    print(os.waitpid(process, 0)[1], flush=True)
"""


@contextmanager
def promotions(challenger: Made, registry: str, champion: Made) -> Iterator[Callable[[int], bool]]:
    """A process that promotes in forks, each killed before its n-th step (-1: right after the change); whether so."""
    arguments = map(str, [challenger.model, registry, challenger.predictions, champion.predictions])
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"

    def run(step: int) -> bool:
        print(step, file=process.stdin, flush=True)
        status = int(process.stdout.readline())
        assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
        return bool(status)

    yield run
    process.communicate()


def forget(registry: str, made: Made) -> None:
    """Remove the copy of a model that an attempt left."""
    for name, file in storage.list_tree(registry).items():
        if name.startswith(f"models/{made.fingerprint}"):
            storage.delete(file.path)


def whole(registry: str) -> bool:
    kept = show(registry)["model"]
    listed = storage.read_json(storage.join(kept, "files.json"))["files"]
    found = storage.list_tree(kept)
    return all(storage.file_crc32c(found[entry["name"]].path) == entry["crc32c"] for entry in listed)


def test_a_kill_between_any_two_steps_leaves_the_old_champion(models: dict[str, Made], registry: str) -> None:
    fair, good = models["fair"], models["good"]
    offer(fair, registry)
    steps, kills = 5 if registry.startswith("gs://") else 10, 0
    with promotions(good, registry, fair) as promote:
        while promote(kills):
            assert champion_of(registry) == fair.fingerprint
            assert whole(registry)
            assert len(show(registry)["history"]) == 1
            kills += 1
            if kills < steps:  # so that the next one takes the same steps
                forget(registry, good)
    assert kills == steps
    assert champion_of(registry) == good.fingerprint
    assert whole(registry)
    assert [change["kind"] for change in show(registry)["history"]] == ["promotion", "promotion"]
    assert registry.startswith("gs://") or not list(Path(registry).rglob(f"{storage.PARTIAL}*"))


def test_a_kill_right_after_the_change_leaves_the_new_one(models: dict[str, Made], tmp_path: Path) -> None:
    registry = str(tmp_path / "registry")
    offer(models["fair"], registry)
    with promotions(models["good"], registry, models["fair"]) as promote:
        assert promote(-1)
    assert champion_of(registry) == models["good"].fingerprint
    assert whole(registry)
    assert "it is the champion already" in offer(models["good"], registry, models["fair"])["reason"]
