"""Our models against what the reference implementations computed; `long_parity.py` has the one at full size."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import parity
import pytest
from golden_models import load, set_weights
from keras import ops

from yt8m.models.numerics import frame_mask

SMALL = ["netvlad_small_gated", "netfv_small_gated_uncoupled", "nextvlad_small", "mixnextvlad_small"]


def printed(paths: list[Path]) -> list[str]:
    """A line of each file as the command prints it; in a process of its own, which chooses TensorFlow's kernels."""
    command = [sys.executable, parity.__file__, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == [str(path) for path in paths]
    return lines


def agrees(line: str) -> None:
    """A model predicts and learns as the reference did."""
    words = [word.partition("=") for word in line.split()[1:]]
    assert [word for word, _, _ in words] == ["eval", "train", "loss", "grad", "step"]
    errors = {word: float(value) for word, _, value in words}
    assert 0 <= errors["eval"] < 1e-5
    assert 0 <= errors["train"] < 1e-4
    assert 0 <= errors["loss"] < 1e-5
    assert 0 <= errors["grad"] < 1e-3
    assert 0 <= errors["step"] < 1e-3


@pytest.fixture(scope="module")
def lines(golden: Path) -> dict[str, str]:
    return dict(zip(SMALL, printed([golden / f"{name}.npz" for name in SMALL]), strict=True))


@pytest.mark.parametrize("name", SMALL)
def test_a_model_predicts_and_learns_as_the_reference(lines: dict[str, str], name: str) -> None:
    agrees(lines[name])


@pytest.mark.parametrize("name", SMALL[:2])
def test_one_adam_step_goes_where_the_reference_went(golden: Path, name: str) -> None:
    case = load(golden / f"{name}.npz")
    _, _, gradients = parity.training_pass(case)
    parity.apply_gradients(case, gradients)
    assert parity.step_distances(case).max() <= 2.1 * case.lr
    _, values, _ = parity.training_pass(case)
    assert values["loss_xent"] == pytest.approx(float(case.file["train/loss_xent_after1"]), rel=1e-5)


@pytest.mark.parametrize("name", SMALL[:2])
def test_the_optimizer_fed_with_stored_gradients_agrees(golden: Path, name: str) -> None:
    case = load(golden / f"{name}.npz")
    parity.apply_gradients(case, {name: case.file[f"grad/{name}"] for name in case.trainable})
    for name in case.trainable:
        ours, theirs = np.asarray(case.variables[name]), case.file[f"after1/{name}"]
        np.testing.assert_allclose(ours.ravel(), theirs.ravel(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", SMALL)
def test_batch_norms_keep_what_the_references_kept(golden: Path, name: str) -> None:
    case = load(golden / f"{name}.npz")
    parity.training_pass(case)
    kept = [name for name in case.variables if name.rpartition("/")[2].startswith("moving")]
    assert kept
    for name in kept:
        np.testing.assert_allclose(case.variables[name], case.file[f"after1/{name}"], atol=1e-5)


@pytest.mark.parametrize("name", SMALL[:3])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_what_lies_between_agrees_too(golden: Path, name: str, mode: str) -> None:
    case = load(golden / f"{name}.npz")
    model, training = case.model, mode == "train"
    network = getattr(model, "network", model)
    valid = frame_mask(case.inputs["num_frames"], case.inputs["rgb"].shape[1])
    frames = model._frames(case.inputs, valid)
    aggregated = network.aggregate(model.unwhiten(frames) if network is not model else frames, valid, training)
    hidden = ops.convert_to_numpy(network.encode(aggregated, training))
    np.testing.assert_allclose(hidden, case.file[f"{mode}/hidden"], atol=1e-4)
    audio = case.file[f"{mode}/vlad_audio"]
    np.testing.assert_allclose(ops.convert_to_numpy(aggregated)[:, -audio.shape[1] :], audio, atol=1e-5)


def test_stored_weights_are_those_that_the_names_give(golden: Path) -> None:
    case = load(golden / "netvlad_small_gated.npz")
    stored = [variable.numpy() for variable in case.variables.values()]
    case.file = {key: value for key, value in case.file.items() if not key.startswith("var/")}
    set_weights(case)
    for before, variable in zip(stored, case.variables.values(), strict=True):
        np.testing.assert_array_equal(before, variable.numpy())


def test_an_unknown_flag_is_refused(golden: Path) -> None:
    from golden_models import WILLOW_DEFAULTS, _flags

    assert _flags("--nonetvlad_relu --gating", WILLOW_DEFAULTS)["netvlad_relu"] is False
    with pytest.raises(SystemExit, match="--foo=1 is not known"):
        _flags("--foo=1", WILLOW_DEFAULTS)
    with pytest.raises(SystemExit, match="do not have"):
        _flags("--gating_remove_diag", WILLOW_DEFAULTS)
