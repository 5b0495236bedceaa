import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.second_stage.conftest import FITTED, Files, drawn_labels
from yt8m.cli import main
from yt8m.errors import InputError
from yt8m.second_stage.blend import blend_weights, fit_blend, mixture_weights, sparse_weights


def drawn_chances(*sharpness: float) -> np.ndarray:
    """What models of more or less noise give to what is true, of 4,000 pairs of which they see the same parts."""
    random = np.random.default_rng(0)
    truth = random.random(4000) < 0.3
    logits = 3.0 * truth - 2 + np.array([random.standard_normal(4000) / each for each in sharpness])
    confidences = 1 / (1 + np.exp(-logits))
    return np.where(truth, confidences, 1 - confidences)


def test_the_weights_are_those_of_the_highest_likelihood() -> None:
    chances = drawn_chances(0.8, 1.0, 0.6)
    found = mixture_weights(chances)
    start = np.zeros(3)
    best = minimize(lambda x: -np.log(np.exp(x) / np.exp(x).sum() @ chances).mean(), start, tol=1e-10).x
    np.testing.assert_allclose(found, np.exp(best) / np.exp(best).sum(), atol=2e-3)
    assert found[1] > found[0] > found[2]


def test_a_model_that_adds_nothing_is_left_out() -> None:
    good = drawn_chances(1.5)
    chances = np.concatenate([good, np.full_like(good, 0.5), good**2])
    weights = sparse_weights(chances)
    assert weights.tolist() == [1, 0, 0]


def test_a_blend_of_two_models_and_its_command(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "blend.json"
    words = [*map(str, files.crossfitted), "--training-set", str(files.training_set), "-o", str(output)]
    assert main(["blend", *words]) == 0
    assert "0.5" in capsys.readouterr().out  # they are of one kind, with noise of their own
    made = json.loads(output.read_text())
    weights = [model["weight"] for model in made["models"]]
    assert sum(weights) == pytest.approx(1, abs=1e-3)
    assert min(weights) > 0.4
    assert (made["videos"], made["folds"]) == (FITTED, 3)
    assert made["log_loss"] <= made["equal_log_loss"]


def test_a_planted_leak_and_an_average_are_refused(files: Files, tmp_path: Path) -> None:
    leak = files.variant("leak", drawn_labels(FITTED, 0), "t", fingerprint="c", name="c")
    with pytest.raises(InputError, match=f"the model c has learned from {FITTED} of these {FITTED} videos"):
        fit_blend([leak, files.crossfitted[1]], files.training_set, tmp_path / "blend.json")
    with pytest.raises(InputError, match="weights are of two models or more"):
        fit_blend(files.crossfitted[:1], files.training_set, tmp_path / "blend.json")
    assert not any(tmp_path.iterdir())


def write_model(folder: Path, fingerprint: str) -> Path:
    folder.mkdir()
    needed = ("architecture", "settings", "level", "num_classes", "weights", "preset")
    (folder / "model.json").write_text(
        json.dumps({"kind": "model", "fingerprint": fingerprint, **dict.fromkeys(needed, 0)})
    )
    return folder


def test_the_weights_go_to_the_models_that_they_are_of(tmp_path: Path) -> None:
    blend = tmp_path / "blend.json"
    weights = {"a": 0.7, "b": 0.3, "c": 0.0}
    models = [{"name": f"model {key}", "fingerprint": key, "weight": weight} for key, weight in weights.items()]
    blend.write_text(json.dumps({"kind": "blend", "models": models}))
    a, b, c, d = (write_model(tmp_path / name, name) for name in "abcd")
    assert blend_weights(blend, [b, a]) == [0.3, 0.7]
    for given, problem in (([a], "it weighs model b, too"), ([a, b, c], "gives this model no weight; leave it out"),
                           ([a, b, d], "it is of other models")):  # fmt: skip
        with pytest.raises(InputError, match=problem):
            blend_weights(blend, given)
    with pytest.raises(InputError, match="this is no blend; make one with `yt8m blend`"):
        blend_weights(a / "model.json", [a])
    assert main(["predict", str(a), "x", "--blend", str(blend), "--weights", "1", "-o", str(tmp_path / "p")]) == 2
