"""`parity.py` on golden files of every variant, written by an oracle that has none of our layers."""

import json
from pathlib import Path
from typing import Any

import golden_oracle
import numpy as np
import parity
import pytest
from golden_models import load

VLAD = "--netvlad_cluster_size=8 --netvlad_hidden_size=16 --iterations=12 --moe_l2=1e-6"
FV = "--fv_cluster_size=8 --fv_hidden_size=16 --iterations=12 --moe_l2=1e-6"
NEXT = "--nextvlad_cluster_size=8 --nextvlad_hidden_size=16"
VARIANTS = [
    ("NetVLADModelLF", VLAD),
    ("NetVLADModelLF", f"{VLAD} --gating"),
    ("NetVLADModelLF", f"{VLAD} --lightvlad --netvlad_relu=False --moe_num_mixtures=1"),
    ("NetVLADModelLF", f"{VLAD} --lightvlad=True --gating=True --moe_prob_gating=True --moe_num_mixtures=3"),
    ("NetVLADModelLF", "--netvlad_cluster_size=8 --netvlad_hidden_size=16 --moe_prob_gating"),
    ("NetFVModelLF", FV),
    ("NetFVModelLF", f"{FV} --fv_couple_weights=False --gating"),
    ("NetFVModelLF", f"{FV} --fv_relu=False --gating --moe_prob_gating --fv_coupling_factor=0.1"),
    ("NetFVModelLF", "--fv_cluster_size=8 --fv_hidden_size=16 --fv_couple_weights=False --fv_relu=False"),
    ("NeXtVLADModel", NEXT),
    ("NeXtVLADModel", f"{NEXT} --groups=4 --expansion=3 --gating_reduction=4 --l2_penalty=1e-5 --drop_rate=0.0"),
    ("MixNeXtVladModel", f"{NEXT} --mix_number=2 --expansion=1 --gating_reduction=4 --cl_temperature=3 --cl_lambda=9"),
]


def meta(model: str, flags: str, seed: int = 3) -> dict[str, Any]:
    anchor = "nextvlad" if "NeXt" in model else "willow"
    return {"anchor": anchor, "model": model, "flags": flags, "vocab": 50, "seed": seed}


@pytest.mark.parametrize(("model", "flags"), VARIANTS)
def test_every_variant_agrees(model: str, flags: str, tmp_path: Path) -> None:
    agrees(tmp_path / "golden.npz", meta(model, flags), keep=("var", "grad", "after1"))


@pytest.mark.parametrize(("model", "flags"), [VARIANTS[1], VARIANTS[6], VARIANTS[10]])
def test_variants_agree_without_stored_weights(model: str, flags: str, tmp_path: Path) -> None:
    agrees(tmp_path / "golden.npz", meta(model, flags), keep=())


def agrees(path: Path, meta: dict[str, Any], keep: tuple[str, ...]) -> None:
    golden_oracle.write(path, meta, batch=8, keep=keep)
    errors = parity.measure(path)
    assert errors["eval"] < 1e-5
    assert errors["train"] < 1e-4
    assert errors["loss"] < 1e-5
    assert errors["grad"] < 1e-3
    assert errors["step"] < 1e-3


def test_an_error_of_the_model_shows(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    golden_oracle.write(path, meta("NetVLADModelLF", f"{VLAD} --gating"), keep=("after1",))
    file = dict(np.load(path))
    flags = json.loads(bytes(file["meta"]))
    wrong = {**flags, "flags": flags["flags"].replace("--moe_l2=1e-6", "--moe_l2=1e-1")}
    np.savez(path, **{**file, "meta": np.frombuffer(json.dumps(wrong).encode(), np.uint8)})
    errors = parity.measure(path)
    assert errors["eval"] < 1e-5
    assert errors["loss"] > 1
    assert errors["grad"] > 0.01
    np.savez(path, **{**file, "eval/predictions": file["eval/predictions"] + np.float32(0.01)})
    assert parity.measure(path)["eval"] == pytest.approx(0.01, abs=1e-4)


def test_what_a_file_leaves_out_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "golden.npz"
    golden_oracle.write(path, meta("NetFVModelLF", FV), keep=("grad",))
    file = dict(np.load(path))
    few = {key: value for key, value in file.items() if not key.startswith(("gradnorm/", "after1/", "train/loss_h"))}
    np.savez(path, **few)
    errors = parity.measure(path)
    assert errors["grad"] < 1e-3
    assert errors["loss"] < 1e-5
    assert errors["step"] is None
    np.savez(path, **{key: value for key, value in few.items() if not key.startswith("grad/")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["parity.py", str(path)])
        parity.main()
    assert " grad=- step=-\n" in capsys.readouterr().out


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    with pytest.raises(SystemExit, match="is no golden file"):
        load(path)
    path.write_bytes(b"text")
    with pytest.raises(SystemExit, match="is no golden file"):
        load(path)
    other = {"anchor": "willow", "model": "LstmModel", "flags": "", "vocab": 5, "seed": 0}
    np.savez(path, meta=np.frombuffer(json.dumps(other).encode(), np.uint8))
    with pytest.raises(SystemExit, match="is of a LstmModel; we have NetVLADModelLF"):
        load(path)
