"""The best candidate is chosen by GAP on its half, and its files are handed on; the run's summary tells of all."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yt8m.data.records.video_index import Shard, VideoIndex, write_index
from yt8m.errors import InputError
from yt8m.evaluation.holdout_split import in_half
from yt8m.evaluation.select_model import best, gather_results, select_model
from yt8m.prediction.table import Predictions, write_predictions
from yt8m.runs.results import collect_results

IDS = np.array([f"{number:04d}".encode() for number in range(200)])
HALVES = {half: IDS[in_half(IDS, half)][:20] for half in ("selection", "promotion")}


def predictions_with(selection_gap: float, promotion_gap: float, metadata: dict[str, Any]) -> Predictions:
    """One label a video; it has the first place in such a share of a half's 20 videos, in the others none of the 20."""
    places, confidences = np.arange(20), np.linspace(0.2, 0.1, 20)
    found = np.concatenate([np.arange(20) < round(20 * gap) for gap in (selection_gap, promotion_gap)])
    return Predictions(
        video_ids=np.concatenate(list(HALVES.values())),
        labels=np.zeros(40, np.int32),
        label_ranks=np.where(found, 1, 25).astype(np.int32),
        label_confidences=np.where(found, 0.9, 0).astype(np.float32),
        bounds=np.arange(41),
        top_labels=np.where(found[:, None], places, places + 1).astype(np.int32),
        top_confidences=np.where(found[:, None] & (places == 0), 0.9, confidences).astype(np.float32),
        metadata={"num_classes": 30, "simulated": False, **metadata},
    )


class Candidates:
    """Files of candidates as the steps write them; each candidate is (name, GAP on the selection half, bytes)."""

    def __init__(self, folder: Path, *rows: tuple[str, float, int]):
        self.folder, self.rows = folder, rows
        folder.mkdir(exist_ok=True)
        for name, gap, size in rows:
            self.write(name, gap, size)

    def write(self, name: str, gap: float, size: int, index: str = "index", promotion_gap: float = 0.5) -> None:
        manifest = {
            "name": "netvlad", "parameters": size // 4, "fingerprint": f"model {name}", "uri": f"work/{name}",
            "weights": {"file": "model.weights.h5", "bytes": size}, "metrics": {"gap": gap}, "preset": {}, "seed": 0,
            "training": {"seconds": 12.345}, "candidate": {"name": name, "preset": "netvlad", "overrides": {}},
        }  # fmt: skip
        overall = (gap + promotion_gap) / 2
        metrics = {
            "gap": overall,
            "map_rare": overall / 4,
            "hit_at_1": overall / 2,
            "predictions": f"predictions {name}",
        }
        (self.folder / f"{name}.json").write_text(json.dumps(manifest))
        (self.folder / f"{name}-metrics.json").write_text(json.dumps(metrics))
        models = [{"name": "netvlad", "fingerprint": f"model {name}"}]
        metadata = {"models": models, "index": index, "fingerprint": f"predictions {name}"}
        write_predictions(self.folder / f"{name}.parquet", predictions_with(gap, promotion_gap, metadata))

    def files(self) -> tuple[list[Path], list[Path], list[Path]]:
        names = [row[0] for row in self.rows]
        return tuple([self.folder / f"{name}{end}" for name in names] for end in (".json", ".parquet", "-metrics.json"))


def selected(candidates: Candidates) -> str:
    return best(gather_results(*candidates.files())).name


def test_the_highest_gap_wins_then_the_smaller_model_then_the_name(tmp_path: Path) -> None:
    assert selected(Candidates(tmp_path, ("a", 0.5, 10), ("b", 0.6, 99), ("c", 0.4, 1))) == "b"
    assert selected(Candidates(tmp_path, ("a", 0.6, 10), ("b", 0.6, 9))) == "b"
    assert selected(Candidates(tmp_path, ("b", 0.6, 9), ("a", 0.6, 9))) == "a"
    assert selected(Candidates(tmp_path, ("only", 0.0, 9))) == "only"


def test_the_promotion_half_has_no_say(tmp_path: Path) -> None:
    candidates = Candidates(tmp_path, ("a", 0.55, 10), ("b", 0.5, 10))
    candidates.write("b", 0.5, 10, promotion_gap=1.0)
    candidates.write("a", 0.55, 10, promotion_gap=0.0)
    results = gather_results(*candidates.files())
    assert best(results).name == "a"
    rows = {result.name: result.row() for result in results}
    assert (rows["a"]["gap"], rows["b"]["gap"]) == (0.275, 0.75)
    assert [result.selection_gap for result in results] == pytest.approx([0.55, 0.5])
    assert {result.selection_videos for result in results} == {20}


def test_files_may_come_in_any_order(tmp_path: Path) -> None:
    candidates = Candidates(tmp_path, ("a", 0.5, 10), ("b", 0.6, 20), ("c", 0.4, 30))
    expected = [result.row() for result in gather_results(*candidates.files())]
    every = list(itertools.product(itertools.permutations(range(3)), repeat=3))
    for orders in random.Random(0).sample(every, 30):
        files = [[paths[i] for i in order] for paths, order in zip(candidates.files(), orders, strict=True)]
        assert [result.row() for result in gather_results(*files)] == expected


def test_the_winner_s_files_are_handed_on_unchanged(tmp_path: Path) -> None:
    candidates = Candidates(tmp_path / "in", ("a", 0.5, 10), ("b", 0.6, 2_000_000))
    shown = select_model(*candidates.files(), tmp_path / "out" / "model", tmp_path / "out" / "predictions")
    assert shown["candidate"] == "b"
    assert (shown["gap"], shown["size_mb"], shown["uri"]) == (0.6, 2.0, "work/b")
    assert json.loads((tmp_path / "out" / "model").read_text()) == json.loads((tmp_path / "in" / "b.json").read_text())
    assert (tmp_path / "out" / "predictions").read_bytes() == (tmp_path / "in" / "b.parquet").read_bytes()


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    candidates = Candidates(tmp_path, ("a", 0.5, 10), ("b", 0.6, 20))
    manifests, predictions, metrics = candidates.files()
    with pytest.raises(InputError, match=r"b\.parquet: predictions of .*not one candidate"):
        gather_results(manifests[:1], predictions, metrics)
    with pytest.raises(InputError, match="no predictions of b"):
        gather_results(manifests, predictions[:1], metrics)
    with pytest.raises(InputError, match=r"b\.parquet: its metrics are missing"):
        gather_results(manifests, predictions, metrics[:1])
    candidates.write("b", 0.6, 20, index="another")
    with pytest.raises(InputError, match="different indexes"):
        gather_results(manifests, predictions, metrics)
    with pytest.raises(InputError, match="no candidate"):
        best([])


def write_partition(path: Path, videos: int, simulated: bool) -> Path:
    numbers = np.arange(videos)
    index = VideoIndex(
        np.array([f"{n:04d}".encode() for n in range(videos)]), numbers * 0, numbers * 100, numbers * 0 + 50,
        numbers * 0 + 7, np.zeros(videos, np.int32), np.arange(videos + 1), (Shard("s", 100 * videos, videos, "f"),),
        "root", "frame", simulated,
    )  # fmt: skip
    write_index(path, index)
    return path


def summary(tmp_path: Path, simulated: tuple[bool, bool, bool], choice: str = "b") -> dict[str, Any]:
    candidates = Candidates(tmp_path / "in", ("a", 0.5, 1_234_567), ("b", 0.6, 2_000_000), ("c", 0.55, 1))
    partitions = {
        name: write_partition(tmp_path / f"{name}.parquet", videos, is_simulated)
        for (name, videos), is_simulated in zip({"train": 5, "validate": 3, "test": 2}.items(), simulated, strict=True)
    }
    chosen = tmp_path / "in" / f"{choice}.json"
    return collect_results(*candidates.files(), chosen, partitions)


def test_the_summary_lists_the_candidates_best_first(tmp_path: Path) -> None:
    result = summary(tmp_path, (False, False, False))
    assert [row["name"] for row in result["candidates"]] == ["b", "c", "a"]
    assert result["candidates"][2] == {
        "name": "a", "gap": 0.5, "map_rare": 0.125, "hit_at_1": 0.25, "size_mb": 1.23, "seconds": 12.3,
    }  # fmt: skip
    assert (result["selection"]["half"], result["selection"]["videos"]) == ("selection", 20)
    assert result["selection"]["gaps"] == {
        name: pytest.approx(g) for name, g in zip("bca", (0.6, 0.55, 0.5), strict=True)
    }
    assert "one half" in result["selection"]["note"]
    assert result["selected"] == "b"
    assert {name: part["videos"] for name, part in result["partitions"].items()} == {
        "train": 5, "validate": 3, "test": 2,
    }  # fmt: skip
    assert result["model"]["uri"] == "work/b"


@pytest.mark.parametrize("simulated", list(itertools.product((False, True), repeat=3)))
def test_one_simulated_partition_makes_the_run_simulated(tmp_path: Path, simulated: tuple[bool, bool, bool]) -> None:
    result = summary(tmp_path, simulated)
    assert result["simulated"] == any(simulated)
    assert tuple(part["simulated"] for part in result["partitions"].values()) == simulated


def test_a_choice_that_is_not_the_best_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json: not the best"):
        summary(tmp_path, (False, False, False), choice="a")
