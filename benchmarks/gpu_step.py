"""A whole training step on a GPU, by Keras on JAX (no TensorFlow), on synthetic batches that lie on the device.

    KERAS_BACKEND=jax python benchmarks/gpu_step.py -o build/gpu_step.json

The four large models at the published sizes, batch 160, 300 frames of uint8, in float32 and bfloat16; each in a process
of its own, so that the peak of memory is its own and one that does not fit costs one line. It prints videos a second,
TFLOP/s, their share of the card's peak, and memory; the arithmetic is that of the matrix products, once forward and
twice backward, whatever the compiler makes of it. `--tiny` is a trial that any machine does in a minute.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PRESETS = ("paper-netvlad", "paper-netfv", "nextvlad", "nextvlad-mixture")
DTYPES = ("float32", "bfloat16")
BATCH, FRAMES, CLASSES, STEPS = 160, 300, 3862, 20
TINY: dict[str, dict[str, Any]] = {
    "paper-netvlad": {"model.clusters": 4, "model.hidden": 8},
    "paper-netfv": {"model.clusters": 4, "model.hidden": 8},
    "nextvlad": {"model.clusters": 4, "model.hidden": 8},
    "nextvlad-mixture": {"model.clusters": 4, "model.hidden": 8},
}
PEAKS: dict[str, dict[str, float]] = {
    "H200": {"bfloat16": 989.4, "tf32": 494.7, "float32": 66.9},
    "H100": {"bfloat16": 989.4, "tf32": 494.7, "float32": 66.9},
    "A100": {"bfloat16": 312.0, "tf32": 156.0, "float32": 19.5},
    "L40S": {"bfloat16": 362.0, "tf32": 183.0, "float32": 91.6},
    "L4": {"bfloat16": 121.0, "tf32": 60.0, "float32": 30.3},
    "V100": {"float32": 15.7},
    "T4": {"float32": 8.1},
}
"""Dense TFLOP/s by the makers' data sheets (SXM boards). XLA multiplies float32 matrices in TF32 where it can."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpu_step.py", description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=PRESETS, choices=PRESETS, metavar="NAME")
    parser.add_argument("--dtypes", nargs="+", default=DTYPES, choices=DTYPES, metavar="T")
    parser.add_argument("--batch", type=int, default=BATCH, metavar="N", help="videos a step (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N", help="of a video (default: %(default)s)")
    parser.add_argument("--classes", type=int, default=CLASSES, metavar="N", help="labels (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help="timed steps (default: %(default)s)")
    parser.add_argument("--peak-tflops", type=float, metavar="X", help="of a card that is not known here")
    parser.add_argument("--tiny", action="store_true", help="small models and batches: a trial of the benchmark itself")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gpu_step.json"))
    parser.add_argument("--case", metavar="PRESET:DTYPE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.batch, arguments.frames, arguments.classes, arguments.steps = 4, 6, 50, 3
    if arguments.case:
        print(json.dumps(_measure(*arguments.case.split(":"), arguments)))
        return 0
    return _run_all(arguments)


def _run_all(arguments: argparse.Namespace) -> int:
    rows = []
    print(f"{'model':<18}{'dtype':<10}{'ms a step':>10}{'videos/s':>10}{'TFLOP/s':>9}{'of peak':>9}{'GiB':>7}")
    for preset in arguments.presets:
        for dtype in arguments.dtypes:
            rows.append(_in_process(preset, dtype))
            print(_line(rows[-1]), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    settings = {name: getattr(arguments, name) for name in ("batch", "frames", "classes", "steps", "tiny")}
    arguments.output.write_text(json.dumps({"settings": settings, "rows": rows}, indent=2) + "\n")
    done = [row for row in rows if "error" not in row]
    print(f"{done[0]['device'] if done else 'no model ran'}; written to {arguments.output}")
    return 0 if len(done) == len(rows) else 1


def _in_process(preset: str, dtype: str) -> dict[str, Any]:
    """One measurement by this script in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, *sys.argv[1:], "--case", f"{preset}:{dtype}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"preset": preset, "dtype": dtype, "error": reason[:300]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _line(row: dict[str, Any]) -> str:
    start = f"{row['preset']:<18}{row['dtype']:<10}"
    if "error" in row:
        return f"{start}  {row['error']}"
    share = f"{row['share_of_peak']:.0%}" if row["share_of_peak"] is not None else "-"
    numbers = f"{row['seconds'] * 1e3:>10,.2f}{row['videos_per_second']:>10,.0f}{row['tflops']:>9,.2f}{share:>9}"
    return f"{start}{numbers}{row['bytes'] / 2**30:>7,.1f}"


def _measure(name: str, dtype: str, arguments: argparse.Namespace) -> dict[str, Any]:
    import jax
    import keras

    from yt8m import models
    from yt8m.models import losses
    from yt8m.presets import load_preset

    if keras.backend.backend() != "jax":
        raise SystemExit(f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=jax")
    preset = load_preset(name, TINY[name] if arguments.tiny else {})
    settings = {key: value for key, value in preset["model"].items() if key != "name"}
    policy = "mixed_bfloat16" if dtype == "bfloat16" else "float32"
    model = models.create(preset["model"]["name"], arguments.classes, dtype=policy, **settings)
    optimizer = keras.optimizers.Adam(1e-4, epsilon=1e-8, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    step = _step(model, optimizer, losses.create(**preset["loss"]))
    state = [[v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables,
                                                  optimizer.variables)]  # fmt: skip
    batch = jax.device_put(_batch(arguments))
    compiled = jax.jit(step, donate_argnums=0).lower(state, *batch).compile()
    seconds = _time(compiled, state, batch, arguments.steps)
    assert "tensorflow" not in sys.modules
    return _result(name, dtype, arguments, model.flops(arguments.frames), seconds, _bytes(compiled))


def _step(model: Any, optimizer: Any, loss: Any) -> Any:
    """The step as a function of (state, inputs, labels), the optimizer inside."""
    import jax

    def objective(trainable: Any, others: Any, inputs: Any, labels: Any) -> tuple[Any, Any]:
        predictions, others, penalties = model.stateless_call(
            trainable, others, inputs, training=True, return_losses=True
        )
        return loss(labels.astype("float32"), predictions) + sum(penalties), others

    def step(state: Any, inputs: Any, labels: Any) -> tuple[Any, Any]:
        trainable, others, moments = state
        (total, others), gradients = jax.value_and_grad(objective, has_aux=True)(trainable, others, inputs, labels)
        trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
        return [trainable, others, moments], total

    return step


def _batch(arguments: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """uint8 frames as the loader makes them, and labels."""
    import numpy as np

    random = np.random.default_rng(0)
    shape = (arguments.batch, arguments.frames)
    inputs: dict[str, Any] = {
        name: random.integers(0, 256, (*shape, width), np.uint8) for name, width in (("rgb", 1024), ("audio", 128))
    }
    inputs["num_frames"] = np.full(arguments.batch, arguments.frames, np.int32)
    labels = (random.random((arguments.batch, arguments.classes)) < 3 / arguments.classes).astype(np.uint8)
    return inputs, labels


def _time(compiled: Any, state: Any, batch: Any, steps: int) -> float:
    """Seconds a step, the mean of many that follow each other as in training; the first ones do not count."""
    import numpy as np

    for _ in range(3):
        state, total = compiled(state, *batch)
    total.block_until_ready()
    started = time.perf_counter()
    for _ in range(steps):
        state, total = compiled(state, *batch)
    total.block_until_ready()
    seconds = (time.perf_counter() - started) / steps
    if not np.isfinite(float(total)):
        raise SystemExit(f"the loss is {float(total)}")
    return seconds


def _bytes(compiled: Any) -> int:
    """The device's peak of memory; where the device does not tell (a CPU), what the compiler planned."""
    import jax

    statistics = jax.devices()[0].memory_stats()
    if statistics and "peak_bytes_in_use" in statistics:
        return int(statistics["peak_bytes_in_use"])
    plan = compiled.memory_analysis()
    sizes = (plan.argument_size_in_bytes, plan.output_size_in_bytes, plan.temp_size_in_bytes)
    return int(sum(sizes) - plan.alias_size_in_bytes)


def _result(
    name: str, dtype: str, arguments: argparse.Namespace, forward_flops: int, seconds: float, memory: int
) -> dict[str, Any]:
    import jax
    import keras

    device = jax.devices()[0].device_kind
    peak, kind = (arguments.peak_tflops, "given") if arguments.peak_tflops else _peak(device, dtype)
    tflops = 3 * forward_flops * arguments.batch / seconds / 1e12
    return {
        "preset": name,
        "dtype": dtype,
        "device": device,
        "seconds": seconds,
        "videos_per_second": arguments.batch / seconds,
        "tflops": tflops,
        "peak_tflops": peak,
        "peak_of": kind,
        "share_of_peak": tflops / peak if peak else None,
        "bytes": memory,
        "versions": {"jax": jax.__version__, "keras": keras.__version__},
    }


def _peak(device: str, dtype: str) -> tuple[float | None, str | None]:
    """The card's peak for products of a dtype, and which one that is."""
    for card, peaks in PEAKS.items():
        if card in device.replace("-", " ").split():
            kind = dtype if dtype == "bfloat16" else "tf32" if "tf32" in peaks else "float32"
            return peaks.get(kind), kind
    return None, None


if __name__ == "__main__":
    sys.exit(main())
