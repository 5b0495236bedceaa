import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.second_stage.conftest import CLASSES, FITTED, JUDGED, TOP, Files, drawn_labels
from yt8m.cli import main
from yt8m.errors import InputError
from yt8m.evaluation.comparison import compare_gap
from yt8m.evaluation.evaluate import calibration
from yt8m.evaluation.metrics import hits_in_top
from yt8m.evaluation.scored_predictions import measured
from yt8m.evaluation.select_model import gather_results
from yt8m.prediction.table import made_by, read_predictions, write_predictions
from yt8m.second_stage.rerank import apply_reranker, fit_reranker
from yt8m.submission import write_submission

ROUNDS, CANDIDATES = 150, 20


@pytest.fixture(scope="module")
def reranker(files: Files) -> Path:
    fit_reranker(files.crossfitted, files.training_set, files.folder / "reranker", candidates=CANDIDATES, rounds=ROUNDS)
    return files.folder / "reranker"


@pytest.fixture(scope="module")
def reranked(files: Files, reranker: Path) -> Path:
    apply_reranker(reranker, files.judged, files.folder / "reranked.parquet")
    return files.folder / "reranked.parquet"


def test_labels_that_belong_together_are_found_together(files: Files, reranked: Path) -> None:
    found = read_predictions(reranked)
    for path in files.judged:
        gain = compare_gap(read_predictions(path), found)
        assert gain.low > 0.03
    assert found.metadata["models"] == files.models
    assert {"reranker", "fingerprint", "index", "num_classes"} <= found.metadata.keys()


def test_the_table_is_like_any_other_and_invents_no_label(files: Files, reranked: Path) -> None:
    found, before = read_predictions(reranked), [read_predictions(path) for path in files.judged]
    assert measured(found, reranked).result()["videos"] == JUDGED  # ranks, labels and confidences fit together
    assert found.top_labels.shape == (JUDGED, CANDIDATES)
    for row in range(JUDGED):
        assert set(found.top_labels[row]) <= set(before[0].top_labels[row]) | set(before[1].top_labels[row])
    inside = found.label_ranks <= CANDIDATES
    np.testing.assert_array_equal(found.top_labels[found.label_rows[inside], found.label_ranks[inside] - 1],
                                  found.labels[inside])  # fmt: skip
    assert (found.label_confidences[~inside] <= found.top_confidences[found.label_rows[~inside], -1]).all()
    assert found.label_ranks.max() <= CLASSES
    hits = hits_in_top(found.label_ranks, found.bounds, CANDIDATES)
    assert calibration(found.top_confidences, hits)["expected_error"] < 0.02


def test_re_ranked_predictions_do_not_pass_for_a_models_own(files: Files, reranked: Path, tmp_path: Path) -> None:
    found = read_predictions(reranked)
    assert made_by(found) == ["a", "b", f"the re-ranker {found.metadata['reranker']}"]
    alone = replace(found, metadata={**found.metadata, "models": files.models[:1]})
    write_predictions(tmp_path / "alone.parquet", alone)
    (tmp_path / "model.json").write_text('{"fingerprint": "a"}')
    for table, what in ((tmp_path / "alone.parquet", "the re-ranker"), (files.crossfitted[0], "a cross-fitted")):
        with pytest.raises(InputError, match=f"{what}.*which is not one candidate"):
            gather_results([tmp_path / "model.json"], [table], [])
    refused("re-ranked already", files.folder / "reranker", [reranked], str(tmp_path / "out.parquet"))


def test_the_challenges_limit_counts_the_models_and_the_re_ranker(
    files: Files, reranker: Path, reranked: Path, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        about = {"kind": "model", "fingerprint": name, "weights": {"bytes": 1000}}
        needed = dict.fromkeys(("architecture", "settings", "level", "num_classes", "preset"), 0)
        (tmp_path / name / "model.json").write_text(json.dumps({**needed, **about}))
    made = write_submission([reranked], tmp_path / "s.csv", models=[str(tmp_path / name) for name in "ab"])
    size = sum(file.stat().st_size for file in reranker.iterdir() if file.name != "reranker.json")
    assert (made["videos"], made["model_bytes"]) == (JUDGED, 2000 + size)


def test_the_same_data_give_the_same_bytes_in_whatever_order_they_are_given(
    files: Files, reranker: Path, reranked: Path, tmp_path: Path
) -> None:
    fit_reranker(files.crossfitted, files.training_set, tmp_path / "again", candidates=CANDIDATES, rounds=ROUNDS)
    for file in ("booster-0.txt", "booster-2.txt", "statistics.npz", "reranker.json"):
        assert (tmp_path / "again" / file).read_bytes() == (reranker / file).read_bytes()
    apply_reranker(tmp_path / "again", files.judged[::-1], tmp_path / "reranked.parquet")
    again, first = read_predictions(tmp_path / "reranked.parquet"), read_predictions(reranked)
    np.testing.assert_array_equal(again.top_confidences, first.top_confidences)
    assert again.metadata == first.metadata


def refused(what: str, *arguments: object) -> None:
    fit = isinstance(arguments[1], Path)
    with pytest.raises(InputError, match=re.escape(what)) as caught:
        (fit_reranker if fit else apply_reranker)(*arguments)
    assert "\n" not in str(caught.value)


def test_a_planted_leak_is_refused(files: Files, tmp_path: Path) -> None:
    leak = files.variant("leak", drawn_labels(FITTED, 0), "t")
    refused(f"the model a has learned from {FITTED} of these {FITTED} videos", [leak], files.training_set, tmp_path)
    refused(f"the model a has learned from {FITTED} of these", [leak, files.crossfitted[1]], files.training_set,
            tmp_path)  # fmt: skip
    other = files.variant("other-set", drawn_labels(9, 0), "n", training_set="other")
    refused("learned from the training set other", [other], files.training_set, tmp_path)
    fewer = files.variant("fewer-folds", drawn_labels(FITTED, 0), "t", folds=2)
    refused("made with [2, 3] folds", [fewer, files.crossfitted[1]], files.training_set, tmp_path)
    assert not any(tmp_path.iterdir())


def test_videos_that_no_model_has_learned_from_may_fit_one_as_they_are(files: Files, tmp_path: Path) -> None:
    made = fit_reranker(files.judged, files.training_set, tmp_path, candidates=CANDIDATES, rounds=2)
    assert (made["folds"], made["videos"]) == (0, JUDGED)


def test_predictions_of_other_models_or_of_its_own_videos_are_refused(
    files: Files, reranker: Path, tmp_path: Path
) -> None:
    new = drawn_labels(9, 3)
    stranger = files.variant("stranger", new, "n", fingerprint="c", name="c")
    output = str(tmp_path / "out.parquet")
    refused("the model c, to which", reranker, [stranger], output)
    refused("it needs predictions of b, too", reranker, files.judged[:1], output)
    refused("the model a is given twice", reranker, [files.judged[0], files.judged[0]], output)
    refused(f"was fitted to {FITTED} of these {FITTED} videos", reranker, files.crossfitted, output)
    refused(
        "the predictions are of different videos", reranker, [files.variant("n", new, "n"), files.judged[1]], output
    )
    narrow = f"it holds the top {TOP} labels of a video, 35 are needed"
    with pytest.raises(InputError, match=narrow):
        fit_reranker(files.judged, files.training_set, tmp_path, candidates=35)


def test_a_damaged_folder_is_refused(files: Files, reranker: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name the folder that `yt8m rerank fit` made"):
        apply_reranker(tmp_path, files.judged, tmp_path / "out.parquet")
    for file in reranker.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = (tmp_path / "booster-1.txt").read_text()
    (tmp_path / "booster-1.txt").write_text(text.replace("1", "2", 1))
    with pytest.raises(InputError, match=r"booster-1.txt: not the file that reranker.json describes"):
        apply_reranker(tmp_path, files.judged, tmp_path / "out.parquet")


def test_the_command(files: Files, reranker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged, output = [str(path) for path in files.judged], str(tmp_path / "out.parquet")
    assert main(["rerank", "apply", *judged, "--reranker", str(reranker), "-o", output, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == ["a", "b"]
    assert main(["rerank", "apply", *judged, "-o", output]) == 2
    assert "--reranker is missing" in capsys.readouterr().err
    crossfitted = [str(path) for path in files.crossfitted]
    fit = ["rerank", "fit", *crossfitted, "--candidates", "5", "-o", str(tmp_path / "fitted"), "--training-set"]
    assert main([*fit, str(files.training_set), "--reranker", "x"]) == 2
    assert "--reranker is for another verb" in capsys.readouterr().err
