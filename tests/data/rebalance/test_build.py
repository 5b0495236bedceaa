"""Training sets of the built-in recipes: the paper's sizes on real label lists, exclusion, determinism, scale."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from yt8m.data.rebalance.build import build_training_set
from yt8m.data.rebalance.facts import Facts
from yt8m.data.rebalance.recipe import recipe_names
from yt8m.data.rebalance.training_set import read_training_set
from yt8m.data.records.video_index import VideoIndex, write_index
from yt8m.errors import InputError

MakeIndex = Callable[[list[list[int]]], VideoIndex]
LISTS = [[0], [0, 1], [0, 1, 2, 3], [978, 1200], [5, 977], [2, 1200, 5]]


@pytest.fixture
def index_file(make_index: MakeIndex, tmp_path: Path) -> Path:
    write_index(tmp_path / "index.parquet", make_index(LISTS))
    return tmp_path / "index.parquet"


def test_the_papers_tripled_set_is_2173_thousandths_of_the_set(real_index_file: Path, tmp_path: Path) -> None:
    result = build_training_set(real_index_file, "hard-x3", tmp_path / "t")
    before, after = result["before"], result["phases"][0]
    assert before["videos"] == after["videos"] == 984_618
    assert after["examples"] / before["examples"] == after["examples_per_video"]
    assert round(after["examples_per_video"], 3) == 2.173
    assert round(3.9 * after["examples_per_video"], 2) == 8.48  # million: the paper's 8.5
    repeats = read_training_set(tmp_path / "t").repeats[0]
    assert set(repeats) == {1, 3}
    assert round(np.mean(repeats == 3), 4) == 0.5867


def test_the_papers_rare_set_is_one_record_an_occurrence(real_index_file: Path, tmp_path: Path) -> None:
    result = build_training_set(real_index_file, "rare", tmp_path / "t")
    before, after = result["before"], result["phases"][0]
    assert round(after["share_of_videos"], 4) == 0.2424
    training_set = read_training_set(tmp_path / "t")
    rare = Facts(training_set.index).count_per_video(training_set.index.labels > 977)
    np.testing.assert_array_equal(training_set.repeats[0], rare)
    assert after["examples"] == rare.sum() == 295_356
    steps = 3.9e6 / before["videos"] * after["steps_an_epoch"]
    assert steps == pytest.approx(7300, rel=0.005)


@pytest.mark.parametrize("name", recipe_names())
def test_every_built_in_recipe_on_real_labels(fewer_index_file: Path, tmp_path: Path, name: str) -> None:
    result = build_training_set(fewer_index_file, name, tmp_path / "t")
    training_set = read_training_set(tmp_path / "t")
    assert training_set.fingerprint() == result["fingerprint"]
    assert training_set.index_fingerprint == result["index_fingerprint"]
    assert training_set.repeats.any(axis=0).all()
    for phase, numbers in enumerate(result["phases"]):
        assert training_set.phase_size(phase) == numbers["examples"]
        assert numbers["steps_an_epoch"] == -(-numbers["examples"] // 160)
        assert numbers["share_of_rare_labels"] >= result["before"]["share_of_rare_labels"]
        if numbers["name"] != "all":
            assert numbers["gini"] < result["before"]["gini"]
            assert numbers["head_tail_ratio"] < 1.01 * result["before"]["head_tail_ratio"]
    json.dumps(result, allow_nan=False)


def test_same_seed_same_bytes(index_file: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("description: d\nphases: [{limit: {fraction: 0.5}, repeat: 1.5}]")
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        build_training_set(index_file, tmp_path / "r.yaml", tmp_path / name, seed=seed)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "three").read_bytes()


def test_videos_of_other_partitions_are_dropped_and_counted(
    index_file: Path, make_index: MakeIndex, tmp_path: Path
) -> None:
    ids = np.array([b"AAAB", b"zzzz", b"AAAD", b"validated"])
    for name, rows in (("validation", [0, 1]), ("test", [2, 3])):
        other = replace(make_index([[], []]), video_ids=ids[rows])
        write_index(tmp_path / name, other)
    out = tmp_path / "t"
    result = build_training_set(index_file, "all", out, exclude=[tmp_path / "validation", tmp_path / "test"])
    assert (result["excluded"], result["videos"], result["before"]["videos"]) == (2, 4, 6)
    training_set = read_training_set(out)
    assert training_set.index.video_ids.tolist() == [b"AAAA", b"AAAC", b"AAAE", b"AAAF"]
    assert training_set.extra["excluded"] == 2
    assert [training_set.index.labels_of(row).tolist() for row in range(4)] == [LISTS[row] for row in (0, 2, 4, 5)]


def test_a_training_set_holds_only_videos_that_a_phase_reads(index_file: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "description: d\nphases: [{select: {label_index: 0}}, {select: {label_index: 1200}, repeat: 2}]"
    )
    result = build_training_set(index_file, tmp_path / "r.yaml", tmp_path / "t", batch_size=2)
    training_set = read_training_set(tmp_path / "t")
    assert training_set.repeats.tolist() == [[1, 1, 1, 0, 0], [0, 0, 0, 2, 2]]
    assert [phase["steps_an_epoch"] for phase in result["phases"]] == [2, 2]


def test_what_cannot_be_rebalanced_is_named(index_file: Path, make_index: MakeIndex, tmp_path: Path) -> None:
    write_index(tmp_path / "unlabelled", make_index([[], []]))
    write_index(tmp_path / "frequent", make_index([[1], [2]]))
    cases = [
        ((tmp_path / "unlabelled", "all"), {}, "no video has a label"),
        ((tmp_path / "frequent", "rare"), {}, r"rare.yaml: phases\[0\] \(rare\) reads no video of this index of 2"),
        ((index_file, "all"), {"exclude": [index_file]}, "every video is also in an excluded index"),
        ((index_file, "all"), {"exclude": [tmp_path / "none"]}, "none: no such file"),
        ((index_file, "all"), {"batch_size": 0}, "batch size 0"),
        ((index_file, "nothing"), {}, "there is no recipe 'nothing'"),
        ((tmp_path / "missing", "all"), {}, "missing: no such file; make one with `yt8m index`"),
    ]
    for arguments, settings, message in cases:
        with pytest.raises(InputError, match=message):
            build_training_set(*arguments, tmp_path / "t", **settings)
    assert not (tmp_path / "t").exists()


def test_a_tenth_of_the_train_partition_in_400_megabytes(fewer_index_file: Path, tmp_path: Path) -> None:
    """`long_build.py` tries the whole one."""
    assert peak_memory(fewer_index_file, tmp_path / "t", videos=400_000) < 400e6


def peak_memory(index: Path, output: Path, videos: int) -> int:
    """Bytes of one process, whose memory never shrinks, that makes the training set of every recipe."""
    code = (
        "import sys; from yt8m.data.rebalance.build import build_training_set as build\n"
        "videos, index, output, *recipes = sys.argv[1:]\n"
        "assert all(build(index, recipe, output)['before']['videos'] == int(videos) for recipe in recipes)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    arguments = [str(videos), str(index), str(output), *recipe_names()]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024
