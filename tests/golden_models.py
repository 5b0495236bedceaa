"""Golden files: our model of a reference's flags, and its variables by the reference's names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from golden_weights import weight

from yt8m import models
from yt8m.models.frame_sampling import FrameSampling

MODELS = ("NetVLADModelLF", "NetFVModelLF", "NeXtVLADModel", "MixNeXtVladModel")
BATCH_NORM = ("beta", "gamma", "moving_mean", "moving_variance")
WILLOW_DEFAULTS: dict[str, Any] = {
    "iterations": 30,
    "moe_num_mixtures": 2,
    "moe_l2": 1e-8,
    "moe_low_rank_gating": -1,
    "moe_prob_gating": False,
    "gating": False,
    "lightvlad": False,
    "netvlad_cluster_size": 64,
    "netvlad_hidden_size": 1024,
    "netvlad_relu": True,
    "fv_cluster_size": 64,
    "fv_hidden_size": 2048,
    "fv_relu": True,
    "fv_couple_weights": True,
    "fv_coupling_factor": 0.01,
    "video_level_classifier_model": "MoeModel",
    "l2_penalty": 1e-8,
    "netvlad_add_batch_norm": True,
    "sample_random_frames": True,
    "moe_prob_gating_input": "prob",
    "gating_remove_diag": False,
    "vlagd": False,
}
FIXED = ("netvlad_add_batch_norm", "sample_random_frames", "moe_prob_gating_input", "gating_remove_diag", "vlagd")
NEXTVLAD_DEFAULTS: dict[str, Any] = {
    "nextvlad_cluster_size": 64,
    "nextvlad_hidden_size": 1024,
    "groups": 8,
    "expansion": 2,
    "gating_reduction": 8,
    "drop_rate": 0.5,
    "mix_number": 3,
    "cl_temperature": 2.0,
    "cl_lambda": 1.0,
    "l2_penalty": 1e-8,
    "video_level_classifier_model": "LogisticModel",
}


@dataclass
class Case:
    """A golden file and our model with its weights."""

    file: Any
    meta: dict[str, Any]
    model: keras.Model
    variables: dict[str, Any]
    inputs: dict[str, np.ndarray]

    @property
    def lr(self) -> float:
        """The learning rate of the stored step."""
        return float(self.meta.get("lr", 1e-3))

    @property
    def trainable(self) -> list[str]:
        """Names of the variables that are learned."""
        return [name for name, variable in self.variables.items() if variable.trainable]


def load(path: Path) -> Case:
    """Our model of a golden file, with the file's weights and inputs."""
    file, meta = _opened(path)
    name, settings, frames = _configuration(meta)
    model = models.create(name, meta["vocab"], dtype="float32", **settings)
    variables = _nextvlad_names(model) if meta["anchor"] == "nextvlad" else _willow_names(model)
    case = Case(file, meta, model, variables, _inputs(file, frames))
    missing = set(meta["variables"]) ^ set(variables)
    if missing:
        raise SystemExit(f"{path}: variables that only one side has: {', '.join(sorted(missing))}")
    set_weights(case)
    return case


def _opened(path: Path) -> tuple[Any, dict[str, Any]]:
    """A golden file's arrays and its `meta`."""
    try:
        file = np.load(path)
        meta = json.loads(bytes(file["meta"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise SystemExit(f"parity: {path} is no golden file ({error}); name .npz files with `meta`") from None
    if meta["model"] not in MODELS:
        raise SystemExit(f"parity: {path} is of a {meta['model']}; we have {', '.join(MODELS)}")
    return file, meta


def set_weights(case: Case) -> None:
    """Give the model the file's stored weights, or those that the names determine."""
    for name, variable in case.variables.items():
        key = f"var/{name}"
        shape = case.meta["variables"][name]
        value = case.file[key] if key in case.file else weight(name, shape, case.meta.get("seed", 0))
        variable.assign(value.reshape(variable.shape))


def _flags(text: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """`--name=value`, `--switch` and `--noswitch` on top of the defaults, in the defaults' types."""
    flags = dict(defaults)
    for word in text.split():
        name, _, value = word.lstrip("-").partition("=")
        if name not in flags and name.startswith("no") and name[2:] in flags:
            name, value = name[2:], "False"
        if name not in flags:
            raise SystemExit(f"parity: the flag {word} is not known")
        kind = type(defaults[name])
        flags[name] = value in ("", "True", "true", "1") if kind is bool else kind(value)
        if name in FIXED and flags[name] != defaults[name]:
            raise SystemExit(f"parity: {word} asks for something that our models do not have")
    return flags


def _configuration(meta: dict[str, Any]) -> tuple[str, dict[str, Any], int | None]:
    """Our name and settings of the reference's flags, and how many frames it draws (None: it takes all)."""
    if meta["anchor"] == "nextvlad":
        return *_nextvlad_configuration(meta), None
    flags = _flags(meta["flags"], WILLOW_DEFAULTS)
    vlad = meta["model"] == "NetVLADModelLF"
    prefix = "netvlad" if vlad else "fv"
    moe = flags["video_level_classifier_model"] == "MoeModel"
    settings = {
        "clusters": flags[f"{prefix}_cluster_size"],
        "hidden": flags[f"{prefix}_hidden_size"],
        "relu": flags[f"{prefix}_relu"],
        "gating": flags["gating"],
        "head": "moe" if moe else "logistic",
        "mixtures": flags["moe_num_mixtures"],
        "gate_rank": None if flags["moe_low_rank_gating"] < 0 else flags["moe_low_rank_gating"],
        "probability_gating": flags["moe_prob_gating"],
        "l2": flags["moe_l2"] if moe else flags["l2_penalty"],
    }
    if vlad:
        settings["centres"] = not flags["lightvlad"]
    else:
        settings["coupling"] = flags["fv_coupling_factor"] if flags["fv_couple_weights"] else None
    return "netvlad" if vlad else "netfv", settings, flags["iterations"]


def _nextvlad_configuration(meta: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    flags = _flags(meta["flags"], NEXTVLAD_DEFAULTS)
    settings = {
        "clusters": flags["nextvlad_cluster_size"],
        "hidden": flags["nextvlad_hidden_size"],
        "groups": flags["groups"],
        "expansion": flags["expansion"],
        "reduction": flags["gating_reduction"],
        "dropout": 0.0,
        "l2": flags["l2_penalty"],
    }
    if meta["model"] == "NeXtVLADModel":
        return "nextvlad", settings
    mixture = {"branches": "mix_number", "temperature": "cl_temperature", "distillation": "cl_lambda"}
    return "nextvlad-mixture", {**settings, **{ours: flags[theirs] for ours, theirs in mixture.items()}}


def _inputs(file: Any, frames: int | None) -> dict[str, np.ndarray]:
    inputs = {name: file[f"in/{name}"] for name in ("rgb", "audio", "num_frames")}
    if frames is None:
        return inputs
    sampling = FrameSampling("random", frames)
    rgb, count = sampling(inputs["rgb"], inputs["num_frames"], draws=file["in/uniform"])
    audio, _ = sampling(inputs["audio"], inputs["num_frames"], draws=file["in/uniform"])
    return {"rgb": np.array(rgb), "audio": np.array(audio), "num_frames": np.array(count)}


def _norm(prefix: str, norm: Any) -> dict[str, Any]:
    return {f"{prefix}/{name}": getattr(norm, name) for name in BATCH_NORM}


def _dense(prefix: str, dense: Any, weights: str = "/weights", biases: str = "/biases") -> dict[str, Any]:
    names = {f"{prefix}{weights}": dense.kernel}
    return names | ({f"{prefix}{biases}": dense.bias} if dense.use_bias else {})


def _willow_names(model: Any) -> dict[str, Any]:
    """The reference's names of a NetVLAD's or NetFV's variables."""
    kind = "VLAD" if hasattr(model.rgb_pooling, "has_centres") else "FV"
    names = _norm("input_bn", model.input_norm)
    for stream, pooling in (("video", model.rgb_pooling), ("audio", model.audio_pooling)):
        scope = f"{stream}_{kind}"
        names[f"{scope}/cluster_weights"] = pooling.assignment.kernel
        names |= _norm(f"{scope}/cluster_bn", pooling.assignment.norm)
        if kind == "FV":
            names[f"{scope}/covar_weights"] = pooling.covariance
        centres = getattr(pooling, "centres" if kind == "VLAD" else "free_centres", None)
        if centres is not None:
            names[f"{scope}/cluster_weights2"] = centres
    names |= _dense("hidden1", model.hidden, "_weights", "_biases")
    if model.hidden_norm is not None:
        names |= _norm("hidden1_bn", model.hidden_norm)
    if model.gating is not None:
        names |= {"gating_weights_2": model.gating.kernel, **_norm("gating_bn", model.gating.norm)}
    return names | _head_names(model.head)


def _head_names(head: Any) -> dict[str, Any]:
    if hasattr(head, "dense"):
        return _dense("fully_connected", head.dense)
    if head.gate_reduction is None:
        names = _dense("gates", head.gates)
    else:
        names = {**_dense("gates1", head.gate_reduction), **_dense("gates2", head.gates)}
    names |= _dense("experts", head.experts)
    if head.gating is not None:
        names |= {"gating_prob_weights": head.gating.kernel, **_norm("gating_prob_bn", head.gating.norm)}
    return names


def _nextvlad_names(model: Any) -> dict[str, Any]:
    """The reference's names of a NeXtVLAD's or a mixture's variables."""
    if not hasattr(model, "branches"):
        return _branch_names("tower", model.network, "VLAD")
    names = _norm("tower/mix_weights_bn", model.weights_norm) | _dense("tower/mix_weights", model.weights_dense)
    for number, branch in enumerate(model.branches):
        names |= _branch_names(f"tower/branch_{number}", branch, "vlad")
    return names


def _branch_names(prefix: str, branch: Any, suffix: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for stream, pooling in (("video", branch.rgb_pooling), ("audio", branch.audio_pooling)):
        scope = f"{prefix}/{stream}_{suffix}"
        names |= _dense(f"{scope}/fully_connected", pooling.expand)
        names |= _dense(f"{scope}/fully_connected_1", pooling.attention)
        names |= {f"{scope}/cluster_weights": pooling.kernel, f"{scope}/cluster_weights2": pooling.centres}
        names |= _norm(f"{scope}/cluster_bn", pooling.assignment_norm) | _norm(f"{scope}/vlad_bn", pooling.output_norm)
    names |= {f"{prefix}/hidden1_weights": branch.hidden.kernel, **_norm(f"{prefix}/hidden1_bn", branch.hidden_norm)}
    names |= {f"{prefix}/gating_weights_1": branch.gating.squeeze, **_norm(f"{prefix}/gating_bn", branch.gating.norm)}
    return (
        names
        | {f"{prefix}/gating_weights_2": branch.gating.excite}
        | _dense(f"{prefix}/fully_connected", branch.head.dense)
    )
