"""Killed between any two steps of a promotion, the old champion stays and is whole; the rerun completes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.champion.conftest import Made, champion_of, offer
from yt8m import storage
from yt8m.champion import show

DIES = """
import os, signal, sys
from yt8m.champion import files, promote as _, registry
from yt8m.champion import promote
from yt8m.storage import local

steps, last = 0, int(sys.argv[1])

def step(work):
    def counted(*arguments, **options):
        global steps
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return work(*arguments, **options)
    return counted

module = sys.modules["yt8m.champion.promote"]
files.copy_file, files.write_json = step(files.copy_file), step(files.write_json)
module.write_text, registry.create_json = step(module.write_text), step(registry.create_json)
local.os.replace, local.os.link = step(os.replace), step(os.link)
model, root, challenger, champion = sys.argv[2:]
promote(model, root, challenger, champion)
"""


def run(step: int, challenger: Made, registry: str, champion: Made) -> int:
    arguments = [str(step), challenger.model, registry, challenger.predictions, champion.predictions]
    done = subprocess.run(
        [sys.executable, "-c", DIES, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


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
    kills = 0
    while run(kills, good, registry, fair) == -signal.SIGKILL:
        assert champion_of(registry) == fair.fingerprint
        assert whole(registry)
        assert len(show(registry)["history"]) == 1
        kills += 1
        if kills < (5 if registry.startswith("gs://") else 11):  # so that the next one takes the same steps
            forget(registry, good)
    assert kills == (5 if registry.startswith("gs://") else 11)
    assert champion_of(registry) == good.fingerprint
    assert whole(registry)
    names = storage.list_tree(registry)
    assert sum(name.startswith("history/") for name in names) == 2


def test_a_kill_right_after_the_change_leaves_the_new_one(
    models: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = str(tmp_path / "registry")
    offer(models["fair"], registry)
    script = DIES.replace("local.os.replace, local.os.link = step(os.replace), step(os.link)", """
link = os.link
def link_and_die(*names):
    link(*names)
    os.kill(os.getpid(), signal.SIGKILL)
local.os.link = link_and_die""")  # fmt: skip
    arguments = ["-1", models["good"].model, registry, models["good"].predictions, models["fair"].predictions]
    done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert champion_of(registry) == models["good"].fingerprint
    assert whole(registry)
    again = offer(models["good"], registry, models["fair"])
    assert "it is the champion already" in again["reason"]
    assert os.environ.get("STORAGE_EMULATOR_HOST") is None
