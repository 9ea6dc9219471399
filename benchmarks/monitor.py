"""What a monitor costs: one record, and a run that is watched against the same run alone.

    OMP_NUM_THREADS=1 python benchmarks/monitor.py

First table, milliseconds of one record of two views of 2,048 × 256 (wanted: at most 50), as arrays, with modules, as
logits, and into a Zarr folder; and every measure of such features by itself (wanted: at most 200 together, kNN and
probe apart). Second table, a SimSiam loop with a convolutional encoder at batch 256, a record every 50 steps: how much
longer it takes with the monitor (wanted: at most 2 %), and whether the weights are the same. On the CPU what is
compared is CPU time, and loops take turns; on a CUDA device, where one is present, it is elapsed time.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch import nn

from dynsim.monitor import Monitor
from dynsim.networks import measures

SINGLE = (
    "spread",
    "rankme",
    "participation",
    "alpha_req",
    "uniformity",
    "dead_share",
    "mean_entropy",
    "entropy_of_mean",
)
PAIRED = ("norm_ratio", "noise_share", "lidar", "view_alignment", "agreement")


def milliseconds(call: Callable[[], Any], rounds: int) -> float:
    """Median CPU time of a call."""
    call()
    found = []
    for _ in range(rounds):
        start = process_time()
        call()
        found.append(process_time() - start)
    return 1e3 * median(found)


def records(rounds: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2048, 256, generator=generator)
    paired = z + 0.3 * torch.randn(2048, 256, generator=generator)
    linear = {"encoder": nn.Linear(256, 256, bias=False), "predictor": nn.Linear(256, 256, bias=False)}
    with tempfile.TemporaryDirectory() as folder:
        cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
            "two views": ({}, {}),
            "with encoder, predictor, teacher": ({}, {**linear, "teacher": linear["encoder"], "loss": 1.0}),
            "logits of two views": ({"settings": {"tau_s": 0.1}}, {}),
            "into a Zarr folder": ({"out": f"{folder}/run.zarr"}, {}),
        }
        found = {}
        for name, (options, more) in cases.items():
            m = Monitor(every=1, **options)
            steps = iter(range(10**6))
            found[f"record, {name}"] = milliseconds(lambda: m.record(next(steps), z, paired, **more), rounds)  # noqa: B023
    one, two = z.numpy(), paired.numpy()
    alone = {name: milliseconds(lambda: getattr(measures, name)(one), rounds) for name in SINGLE}  # noqa: B023
    alone |= {name: milliseconds(lambda: getattr(measures, name)(one, two), rounds) for name in PAIRED}  # noqa: B023
    return found | alone | {"all measures, one by one": sum(alone.values())}


def encoder() -> nn.Module:
    layers: list[nn.Module] = []
    for channels, wider in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(channels, wider, 3, 2, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 128))


def loop(device: torch.device, steps: int, monitor: Monitor | None) -> tuple[float, torch.Tensor]:
    """Seconds, and all weights at the end."""
    torch.manual_seed(0)
    f = encoder().to(device)
    h = nn.Sequential(nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 128)).to(device)
    optimiser = torch.optim.SGD([*f.parameters(), *h.parameters()], lr=0.05, momentum=0.9)
    images = torch.rand(256, 1, 28, 28, device=device)
    clock = perf_counter if device.type == "cuda" else process_time
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = clock()
    for step in range(steps):
        z1, z2 = f(images + 0.1 * torch.randn_like(images)), f(images + 0.1 * torch.randn_like(images))
        loss = -nn.functional.cosine_similarity(h(z1), z2.detach()).mean()
        optimiser.zero_grad()
        loss.backward()
        if monitor is not None:
            monitor.record(step, z1, z2, encoder=f, predictor=h, loss=loss)
        optimiser.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start, torch.cat([p.detach().flatten().cpu() for p in (*f.parameters(), *h.parameters())])


def watched(device: torch.device, steps: int, rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {"alone": [], "watched": []}
    weights: dict[str, torch.Tensor] = {}
    recorded = []
    for turn in range(rounds + 1):
        for name in times:
            monitor = Monitor(every=50) if name == "watched" else None
            seconds, weights[name] = loop(device, steps, monitor)
            if turn:  # the first turn warms up
                times[name].append(seconds)
    m = Monitor(every=1)
    z = torch.randn(256, 128, device=device)
    f, h = encoder().to(device), nn.Linear(128, 128).to(device)
    for step in range(10):
        start = perf_counter() if device.type == "cuda" else process_time()
        m.record(step, z, z, encoder=f, predictor=h, loss=1.0)
        recorded.append((perf_counter() if device.type == "cuda" else process_time()) - start)
    each = median(times["alone"]) / steps
    return {
        "milliseconds of a step": 1e3 * each,
        "milliseconds of a record": 1e3 * median(recorded),
        "share of 50 steps, in percent": 100 * median(recorded) / (50 * each),
        "longer with the monitor, in percent": 100 * (median(times["watched"]) / median(times["alone"]) - 1),
        "same weights, bit for bit": float(torch.equal(weights["alone"], weights["watched"])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50)
    args = parser.parse_args()
    for name, value in records(args.rounds).items():
        print(f"{name:40s} {value:8.1f} ms")
    devices = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]
    for device in devices:
        print(f"\n{device}")
        for name, value in watched(device, args.steps, args.rounds).items():
            print(f"{name:40s} {value:8.2f}")


if __name__ == "__main__":
    main()
