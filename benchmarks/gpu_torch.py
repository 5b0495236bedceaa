"""The paper's NetVLAD as its user would write it in PyTorch, trained on a card: the baseline beside `gpu_step.py`.

    python benchmarks/gpu_torch.py -o build/gpu_torch.json

Clusters 192, hidden layer 1200, context gating, a mixture of two experts with gated probabilities, Huber loss, clipping
and a fused Adam; eager in TF32, and by `torch.compile` under bfloat16 autocast. Each in a process of its own; it
prints what `gpu_step.py` prints of the same step. `--tiny` is a trial that any machine does in a minute.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CASES = ("eager:float32", "compile:float32", "compile:bfloat16")
RGB, AUDIO, EXPERTS = 1024, 128, 2
HUBER, CLIP = 0.5, 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpu_torch.py", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES, metavar="MODE:DTYPE")
    parser.add_argument("--batch", type=int, default=160, metavar="N", help="videos a step (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=300, metavar="N", help="of a video (default: %(default)s)")
    parser.add_argument("--classes", type=int, default=3862, metavar="N", help="labels (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="timed steps (default: %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="a small model and batch: a trial of the benchmark itself")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gpu_torch.json"))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.clusters, arguments.hidden = 192, 1200
    if arguments.tiny:
        arguments.batch, arguments.frames, arguments.classes, arguments.steps = 4, 6, 50, 3
        arguments.clusters, arguments.hidden = 4, 8
    if arguments.case:
        print(json.dumps(_measure(arguments.case, arguments)))
        return 0
    print(f"{'NetVLAD in PyTorch':<20}{'ms a step':>10}{'videos/s':>10}{'GiB':>7}{'first, s':>10}")
    rows = [_in_process(case) for case in arguments.cases]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps({"batch": arguments.batch, "rows": rows}, indent=2) + "\n")
    print(f"written to {arguments.output}")
    return 0 if all("error" not in row for row in rows) else 1


def _in_process(case: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--case", case], capture_output=True, text=True)
    if done.returncode:
        row: dict[str, Any] = {"case": case, "error": (done.stderr.strip().splitlines() or ["no message"])[-1][:300]}
        print(f"{case:<20}  {row['error']}", flush=True)
    else:
        row = json.loads(done.stdout.splitlines()[-1])
        numbers = f"{row['seconds'] * 1e3:>10,.2f}{row['videos_per_second']:>10,.0f}{row['bytes'] / 2**30:>7,.1f}"
        print(f"{case:<20}{numbers}{row['first_step_seconds']:>10,.0f}", flush=True)
    return row


def _measure(case: str, arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    mode, dtype = case.split(":")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")  # TF32 where the card has it, as XLA multiplies float32
    torch.manual_seed(0)
    model = _model(arguments).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-8, fused=True)
    shape = (arguments.batch, arguments.frames)
    frames = [torch.randint(0, 256, (*shape, width), dtype=torch.uint8, device=device) for width in (RGB, AUDIO)]
    labels = (torch.rand(arguments.batch, arguments.classes, device=device) < 3 / arguments.classes).float()

    def forward() -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            predictions = model(*frames).float()
        entropy = -labels * torch.log(predictions + 1e-5) - (1 - labels) * torch.log(1 - predictions + 1e-5)
        return (HUBER**2 * (torch.sqrt(1 + (entropy / HUBER) ** 2) - 1)).sum(-1).mean()

    loss_of = torch.compile(forward) if mode == "compile" else forward

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        gradients = [weight.grad for weight in model.parameters()]
        norms = torch._foreach_norm(gradients)
        torch._foreach_mul_(gradients, [torch.clamp(CLIP / (norm + 1e-6), max=1.0) for norm in norms])
        optimizer.step()
        return loss

    def finish() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    started = time.perf_counter()
    step()
    finish()
    first = time.perf_counter() - started
    for _ in range(3):
        step()
    finish()
    started = time.perf_counter()
    for _ in range(arguments.steps):
        loss = step()
    finish()
    seconds = (time.perf_counter() - started) / arguments.steps
    if not torch.isfinite(loss):
        raise SystemExit(f"the loss is {float(loss)}")
    return {
        "case": case,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "seconds": seconds,
        "videos_per_second": arguments.batch / seconds,
        "bytes": torch.cuda.max_memory_allocated() if device == "cuda" else 0,
        "first_step_seconds": first,
        "versions": {"torch": torch.__version__},
    }


def _model(arguments: argparse.Namespace) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    clusters, hidden, classes = arguments.clusters, arguments.hidden, arguments.classes

    def normal(rows: int, columns: int) -> Any:
        return nn.Parameter(torch.randn(rows, columns) / rows**0.5)

    def over_frames(norm: Any, x: Any) -> Any:
        return norm(x.flatten(0, 1)).view(x.shape)

    class NetVLAD(nn.Module):
        def __init__(self, width: int, clusters: int):
            super().__init__()
            self.assignment, self.centres = normal(width, clusters), normal(width, clusters)
            self.norm = nn.BatchNorm1d(clusters)

        def forward(self, x: Any) -> Any:
            weights = over_frames(self.norm, x @ self.assignment).float().softmax(-1)
            sums = (x.transpose(1, 2) @ weights.to(x.dtype)).float()
            residuals = sums - weights.sum(1, keepdim=True) * self.centres
            return functional.normalize(functional.normalize(residuals, dim=1).flatten(1), dim=1)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_norm = nn.BatchNorm1d(RGB + AUDIO)
            self.rgb, self.audio = NetVLAD(RGB, clusters), NetVLAD(AUDIO, clusters // 2)
            self.hidden = nn.Linear(RGB * clusters + AUDIO * (clusters // 2), hidden)
            nn.init.normal_(self.hidden.weight, std=clusters**-0.5)
            self.gate, self.gate_norm = nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden)
            self.choice = nn.Linear(hidden, classes * (EXPERTS + 1), bias=False)
            self.experts = nn.Linear(hidden, classes * EXPERTS)
            self.last_gate, self.last_norm = nn.Linear(classes, classes, bias=False), nn.BatchNorm1d(classes)

        def forward(self, rgb: Any, audio: Any) -> Any:
            x = torch.cat([rgb, audio], -1).float() * (4 / 255) + (4 / 512 - 2)
            x = over_frames(self.input_norm, functional.normalize(x, dim=-1))
            h = self.hidden(torch.cat([self.rgb(x[..., :RGB]), self.audio(x[..., RGB:])], -1))
            h = h * torch.sigmoid(self.gate_norm(self.gate(h)))
            shares = self.choice(h).float().view(-1, classes, EXPERTS + 1).softmax(-1)[..., :EXPERTS]
            p = (shares * torch.sigmoid(self.experts(h).float().view(-1, classes, EXPERTS))).sum(-1)
            return p * torch.sigmoid(self.last_norm(self.last_gate(p)).float())

    return Model()


if __name__ == "__main__":
    sys.exit(main())
