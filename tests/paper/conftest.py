"""A tiny plan: logistic regression on a slice of the sample, a video-level index, two seeds, three experiments."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.forks import Forks
from yt8m.data.records.tfrecord import RecordWriter, iterate

SAMPLE = Path(__file__).parents[2] / "sample"
VOCABULARY = str(SAMPLE / "vocabulary.csv")
VIDEOS = 60
MODEL = {"preset": "logistic", "set": {"level": "frame", "frames": {
    "train": {"kind": "random", "count": 2}, "predict": {"kind": "even", "count": 2}}}}  # fmt: skip
PLAN: dict[str, Any] = {
    "schedules": {"baseline": {"name": "baseline"}},
    "runs": {
        "plain": {"title": "plain", "model": "logistic", "schedule": "baseline"},
        "tripled": {"title": "hard videos tripled", "model": "logistic", "schedule": "baseline", "recipe": "hard-x3"},
        "broken": {"title": "broken", "model": "none", "schedule": "baseline"},
    },
    "experiments": {
        "imbalance": {"title": "Imbalance", "kind": "imbalance", "published": {"below_900": 0.89},
                      "statement": "Most."},
        "failing": {"title": "Failing", "kind": "difference", "run": "broken", "against": "plain", "expected": "better",
                    "published": {"difference": 0.1}, "statement": "It fails."},
        "tripling": {"title": "Tripling", "kind": "difference", "run": "tripled", "against": "plain",
                     "expected": "better", "published": {"difference": 0.0001}, "statement": "It helps."},
    },
    "scales": {"tiny": {
        "about": "A slice of the sample.", "seeds": [0, 1], "epochs": 1, "validate_every": 1,
        "simulate": {"max_frames": 4, "localized": False}, "own_schedule": {"name": "baseline"},
        "set": {"batch_size": 16, "saved_model": False},
        "models": {"logistic": MODEL, "none": {"preset": "no-such-preset"}},
    }},
}  # fmt: skip


def write_slices(folder: Path) -> dict[str, str]:
    """The first videos of a shard of each partition, in shards of their own."""
    found = {}
    for name, source in (("train", "train/validate0000"), ("validation", "validate/validate0050")):
        found[name] = str(folder / f"{name}0.tfrecord")
        with RecordWriter(found[name]) as writer:
            for number, (_, payload) in enumerate(iterate(SAMPLE / f"{source}.tfrecord")):
                if number == VIDEOS:
                    break
                writer.write(bytes(payload))
    return found


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The first videos of a shard of each partition."""
    return write_slices(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the tiny plan."""
    path = tmp_path_factory.mktemp("plan") / "tiny.yaml"
    path.write_text(yaml.safe_dump(PLAN, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def arguments(shards: dict[str, str], plan: Path) -> dict[str, Any]:
    """Of `reproduce`, for the tiny plan."""
    return {"train": [shards["train"]], "validation": [shards["validation"]], "vocabulary": VOCABULARY, "plan": plan}


def command(arguments: dict[str, Any], output: Path) -> list[str]:
    """The command line of the tiny plan."""
    return ["reproduce", "--scale", "tiny", "--plan", str(arguments["plan"]), "--train", *arguments["train"],
            "--validation", *arguments["validation"], "--vocabulary", VOCABULARY, "-o", str(output)]  # fmt: skip


@pytest.fixture(scope="session")
def finished(arguments: dict[str, Any], forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of the tiny plan's experiments, run to their end in a process of its own, and paper.json."""
    from yt8m.training import engines

    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "XLA", False)
        forks.run(command(arguments, folder))
    return folder, json.loads((folder / "paper.json").read_text())
