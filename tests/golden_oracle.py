"""Golden files written anew from plain TensorFlow: every reference model by its variables' names, none of our layers.

`write(path, meta)` makes a file of the form that `parity.py` reads, for any flags, so that the parity of variants that
no stored file covers can be tested too.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from golden_weights import weight

EIGENVALUES = Path(__file__).parents[1] / "yt8m" / "models" / "pca_eigenvalues.npy"
LR = 1e-3


class Variables:
    """Variables that are made when first asked for, with values that follow from their names."""

    def __init__(self, seed: int) -> None:
        self.seed, self.values, self.shapes = seed, {}, {}
        self.kept: dict[str, tf.Tensor] = {}
        self.penalties: list[tf.Tensor] = []

    def get(self, name: str, *shape: int, l2: float = 0.0) -> tf.Variable:
        if name not in self.values:
            self.shapes[name] = shape
            trainable = not name.rpartition("/")[2].startswith("moving")
            self.values[name] = tf.Variable(weight(name, shape, self.seed), trainable=trainable)
        if l2:
            self.penalties.append(l2 * tf.nn.l2_loss(self.values[name]))
        return self.values[name]

    def dense(
        self, x: tf.Tensor, name: str, size: int, bias: bool = True, l2: float = 0.0, l2_bias: float = 0.0
    ) -> Any:
        y = tf.matmul(x, self.get(f"{name}/weights", x.shape[-1], size, l2=l2))
        return y + self.get(f"{name}/biases", size, l2=l2_bias) if bias else y

    def norm(self, x: tf.Tensor, name: str, training: bool, unbiased: bool = True) -> tf.Tensor:
        """Batch norm of `[N, D]`; what it would keep goes to `kept`."""
        beta, gamma, mean, variance = (
            self.get(f"{name}/{leaf}", x.shape[-1]) for leaf in ("beta", "gamma", "moving_mean", "moving_variance")
        )
        if training:
            old, count = (mean, variance), float(x.shape[0])
            mean, variance = tf.nn.moments(x, [0])
            share = count / (count - 1) if unbiased else 1.0
            self.kept[f"{name}/moving_mean"] = old[0] * 0.999 + mean * 0.001
            self.kept[f"{name}/moving_variance"] = old[1] * 0.999 + variance * share * 0.001
        return (x - mean) / tf.sqrt(variance + 1e-3) * gamma + beta


def dequantised(file: dict[str, np.ndarray]) -> tf.Tensor:
    q = np.concatenate([file["in/rgb"], file["in/audio"]], axis=2).astype(np.float32)
    real = np.arange(q.shape[1]) < file["in/num_frames"][:, None]
    return tf.constant((q * np.float32(4 / 255) + np.float32(4 / 512 - 2)) * real[..., None].astype(np.float32))


def unit(x: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.nn.l2_normalize(x, axis)


def willow(v: Variables, file: dict[str, np.ndarray], flags: dict[str, Any], training: bool) -> tf.Tensor:
    """NetVLAD (also without centres) or NetFV, gated or not, before the mixture of experts."""
    index = (file["in/uniform"] * file["in/num_frames"][:, None]).astype(np.int32)
    frames = unit(tf.gather(dequantised(file), index, batch_dims=1), 2)
    batch, count = index.shape
    flat = v.norm(tf.reshape(frames, [-1, 1152]), "input_bn", training)
    scope, parts = "FV" if flags["fv"] else "VLAD", []
    for stream, x, k in (("video", flat[:, :1024], flags["k"]), ("audio", flat[:, 1024:], flags["k"] // 2)):
        name, d = f"{stream}_{scope}", x.shape[1]
        kernel = v.get(f"{name}/cluster_weights", d, k)
        covariance = tf.square(v.get(f"{name}/covar_weights", d, k)) + 1e-6 if flags["fv"] else None
        a = tf.nn.softmax(v.norm(tf.matmul(x, kernel), f"{name}/cluster_bn", training))
        a, x = tf.reshape(a, [batch, count, k]), tf.reshape(x, [batch, count, d])
        mass, total = tf.reduce_sum(a, 1, keepdims=True), tf.einsum("btd,btk->bdk", x, a)
        centres = flags["factor"] * kernel if flags["coupled"] else 0.0
        if flags["centres"]:
            centres = v.get(f"{name}/cluster_weights2", 1, d, k)
        residual = total - mass * centres
        if covariance is not None:
            second = tf.einsum("btd,btk->bdk", x * x, a) - 2 * total * centres + mass * centres**2
            second = unit(tf.reshape(second / covariance**2 - mass, [batch, -1]), 1)
            residual = residual / covariance
        parts.append(unit(tf.reshape(unit(residual, 1), [batch, -1]), 1))
        parts += [] if covariance is None else [second]
    vector = tf.concat(parts, 1)
    hidden = tf.matmul(vector, v.get("hidden1_weights", vector.shape[1], flags["h"]))
    if flags["relu"]:
        hidden = tf.nn.relu6(v.norm(hidden, "hidden1_bn", training))
    else:
        hidden += v.get("hidden1_biases", flags["h"])
    if flags["gating"]:
        gates = tf.matmul(hidden, v.get("gating_weights_2", flags["h"], flags["h"]))
        hidden *= tf.sigmoid(v.norm(gates, "gating_bn", training))
    return mixture_of_experts(v, hidden, flags, training)


def mixture_of_experts(v: Variables, x: tf.Tensor, flags: dict[str, Any], training: bool) -> tf.Tensor:
    classes, m, l2 = flags["vocab"], flags["m"], flags["l2"]
    gates = v.dense(x, "gates", classes * (m + 1), bias=False, l2=l2)
    experts = v.dense(x, "experts", classes * m, l2=l2)
    gates = tf.nn.softmax(tf.reshape(gates, [-1, m + 1]))[:, :m]
    p = tf.reshape(tf.reduce_sum(gates * tf.sigmoid(tf.reshape(experts, [-1, m])), 1), [-1, classes])
    if not flags["prob_gating"]:
        return p
    gates = tf.matmul(p, v.get("gating_prob_weights", classes, classes))
    return p * tf.sigmoid(v.norm(gates, "gating_prob_bn", training))


def nextvlad(v: Variables, file: dict[str, np.ndarray], flags: dict[str, Any], training: bool) -> tf.Tensor:
    """One NeXtVLAD, or several with distillation."""
    x = dequantised(file)
    deviations = np.sqrt(np.load(EIGENVALUES)) + np.float32(1e-4)
    x = tf.concat([(x[..., :1024] - 4 / 512) * deviations, x[..., 1024:]], 2)
    mask = tf.sequence_mask(file["in/num_frames"], x.shape[1], tf.float32)
    if not flags["mix"]:
        return tf.sigmoid(branch(v, x, mask, "tower", "VLAD", flags, training))
    mean = v.norm(tf.reduce_mean(x, 1), "tower/mix_weights_bn", training)
    weights = tf.nn.softmax(v.dense(mean, "tower/mix_weights", flags["mix"]))
    logits = [branch(v, x, mask, f"tower/branch_{i}", "vlad", flags, training) for i in range(flags["mix"])]
    mixed = tf.add_n([weights[:, i : i + 1] * z for i, z in enumerate(logits)])
    teacher = tf.nn.softmax(mixed / flags["temperature"])
    for z in logits if training else []:
        student = tf.nn.softmax(z / flags["temperature"])
        divergence = teacher * (tf.math.log(teacher + 1e-8) - tf.math.log(student + 1e-8))
        v.penalties.append(flags["lambda"] * tf.reduce_mean(tf.reduce_sum(divergence, 1)))
    return tf.sigmoid(mixed)


def branch(v: Variables, x: tf.Tensor, mask: Any, name: str, suffix: str, flags: dict[str, Any], train: bool) -> Any:
    """Logits of one NeXtVLAD network."""
    parts, (batch, count) = [], mask.shape
    for stream, part, share in (("video", x[..., :1024], 1), ("audio", x[..., 1024:], 2)):
        scope, k, g = f"{name}/{stream}_{suffix}", flags["k"] // share, flags["groups"] // share
        flat = tf.reshape(part, [batch * count, -1])
        wide = v.dense(flat, f"{scope}/fully_connected", flags["expansion"] * flat.shape[1])
        attention = tf.sigmoid(v.dense(wide, f"{scope}/fully_connected_1", g)) * tf.reshape(mask, [-1, 1])
        logits = tf.matmul(wide, v.get(f"{scope}/cluster_weights", wide.shape[1], g * k))
        logits = v.norm(logits, f"{scope}/cluster_bn", train, unbiased=False)
        a = tf.nn.softmax(tf.reshape(logits, [batch, count * g, k])) * tf.reshape(attention, [batch, count * g, 1])
        size = wide.shape[1] // g
        centres = v.get(f"{scope}/cluster_weights2", 1, size, k)
        grouped = tf.reshape(wide, [batch, count * g, size])
        residual = tf.einsum("btd,btk->bdk", grouped, a) - tf.reduce_sum(a, 1, keepdims=True) * centres
        vector = tf.reshape(unit(residual, 1), [batch, -1])
        parts.append(v.norm(vector, f"{scope}/vlad_bn", train, unbiased=False))
    vector, h = tf.concat(parts, 1), flags["h"]
    hidden = tf.matmul(vector, v.get(f"{name}/hidden1_weights", vector.shape[1], h))
    hidden = v.norm(hidden, f"{name}/hidden1_bn", train, unbiased=False)
    gates = tf.matmul(hidden, v.get(f"{name}/gating_weights_1", h, h // flags["reduction"]))
    gates = tf.nn.relu(v.norm(gates, f"{name}/gating_bn", train))
    gates = tf.sigmoid(tf.matmul(gates, v.get(f"{name}/gating_weights_2", h // flags["reduction"], h)))
    return v.dense(hidden * gates, f"{name}/fully_connected", flags["vocab"], l2=flags["l2"], l2_bias=flags["l2"])


def parsed(meta: dict[str, Any]) -> dict[str, Any]:
    """What the flags ask for, absent ones at the references' defaults."""
    given = dict(word.lstrip("-").partition("=")[::2] for word in meta["flags"].split())
    fv, is_next = meta["model"] == "NetFVModelLF", meta["anchor"] == "nextvlad"
    prefix = "nextvlad" if is_next else "fv" if fv else "netvlad"
    on = {name: given.get(name, default) in ("", "True") for name, default in (
        (f"{prefix}_relu", "True"), ("gating", "False"), ("moe_prob_gating", "False"), ("lightvlad", "False"),
        ("fv_couple_weights", "True"),
    )}  # fmt: skip
    coupled = fv and on["fv_couple_weights"]
    return {
        "vocab": meta["vocab"], "fv": fv, "coupled": coupled, "factor": float(given.get("fv_coupling_factor", 0.01)),
        "centres": not coupled and not on["lightvlad"], "relu": on[f"{prefix}_relu"], "gating": on["gating"],
        "prob_gating": on["moe_prob_gating"], "m": int(given.get("moe_num_mixtures", 2)),
        "k": int(given.get(f"{prefix}_cluster_size", 64)),
        "h": int(given.get(f"{prefix}_hidden_size", 2048 if fv else 1024)),
        "l2": float(given.get("l2_penalty" if is_next else "moe_l2", 1e-8)),
        "iterations": int(given.get("iterations", 30)), "groups": int(given.get("groups", 8)),
        "expansion": int(given.get("expansion", 2)), "reduction": int(given.get("gating_reduction", 8)),
        "mix": int(given.get("mix_number", 3)) if meta["model"] == "MixNeXtVladModel" else 0,
        "temperature": float(given.get("cl_temperature", 2)), "lambda": float(given.get("cl_lambda", 1)),
    }  # fmt: skip


def inputs(meta: dict[str, Any], batch: int, frames: int, iterations: int) -> dict[str, np.ndarray]:
    """Frames of clipped normal noise, as many as the first video has in full, and a few labels for each video."""
    random = np.random.RandomState(meta["seed"])
    num_frames = random.randint(frames // 2, frames + 1, batch).astype(np.int32)
    num_frames[0] = frames
    q = np.clip(random.normal(128, 20, (batch, frames, 1152)), 0, 255).astype(np.uint8)
    q[np.arange(frames) >= num_frames[:, None]] = 0
    labels = np.zeros((batch, meta["vocab"]), bool)
    for row in labels:
        row[random.choice(meta["vocab"], 3, replace=False)] = True
    uniform = random.random_sample((batch, iterations)).astype(np.float32)
    streams = {"in/rgb": q[..., :1024], "in/audio": q[..., 1024:]}
    return {**streams, "in/num_frames": num_frames, "in/labels": labels, "in/uniform": uniform}


def norm(x: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.square(x, dtype=np.float64))))


def step(value: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """A variable after the first step of Adam on the gradient, clipped to a norm of one."""
    gradient = gradient / np.float32(max(1.0, norm(gradient)))
    mean, square = 0.1 * gradient, 0.001 * gradient**2
    rate = LR * np.sqrt(1 - 0.999) / (1 - 0.9)
    return (value - rate * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)


def write(path: Path, meta: dict[str, Any], *, batch: int = 4, frames: int = 20, keep: tuple[str, ...] = ()) -> None:
    """A golden file of the reference that `meta` (anchor, model, flags, vocab, seed) names.

    Args:
        keep: which of `var`, `grad` and `after1` it stores; `gradnorm` is always there.
    """
    flags = parsed(meta)
    file = inputs(meta, batch, frames, flags["iterations"])
    build = nextvlad if meta["anchor"] == "nextvlad" else willow
    v = Variables(meta["seed"])
    file["eval/predictions"] = build(v, file, flags, False).numpy()
    v.penalties.clear()
    trained = {name: variable for name, variable in v.values.items() if variable.trainable}
    with tf.GradientTape() as tape:
        p = build(v, file, flags, True)
        losses = training_losses(p, file["in/labels"], v.penalties, 1e-8 if meta["anchor"] == "nextvlad" else 1e-5)
    gradients = {name: value.numpy() for name, value in tape.gradient(losses["final_loss"], trained).items()}
    file |= {"train/predictions": p.numpy()} | {f"train/{name}": value.numpy() for name, value in losses.items()}
    file |= {f"after1/{name}": value.numpy() for name, value in v.kept.items()}
    file |= {f"gradnorm/{name}": np.float32(norm(value)) for name, value in gradients.items()}
    if "grad" in keep:
        file |= {f"grad/{name}": value for name, value in gradients.items()}
    if "after1" in keep:
        file |= {f"after1/{name}": step(trained[name].numpy(), value) for name, value in gradients.items()}
    if "var" in keep:
        file |= {f"var/{name}": variable.numpy() for name, variable in v.values.items()}
    meta = {**meta, "lr": LR, "iterations": flags["iterations"], "variables": v.shapes, "trainable": list(trained)}
    np.savez(path, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **file)


def training_losses(p: tf.Tensor, labels: np.ndarray, penalties: list[tf.Tensor], e: float) -> dict[str, tf.Tensor]:
    """The stored losses, the reference's cross-entropy with `e` inside its logarithms."""
    y = labels.astype(np.float32)

    def cross_entropy(e: float) -> tf.Tensor:
        return -y * tf.math.log(p + e) - (1 - y) * tf.math.log(1 - p + e)

    def total(costs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.reduce_sum(costs, 1))

    main, regularization = total(cross_entropy(e)), tf.add_n(penalties)
    huber = total(0.25 * (tf.sqrt(1 + (cross_entropy(1e-5) / 0.5) ** 2) - 1))
    final = main + regularization
    return {"loss_xent": main, "loss_huber_xent": huber, "reg_loss": regularization, "final_loss": final}
