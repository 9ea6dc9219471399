"""A convolutional encoder, 16 seeds at batch 4096, on a CUDA device: against one core, and a plain loop on the device.

    python benchmarks/gpu.py

Elapsed time, the device waited for, medians over rounds; contestants take turns on the device. Images are 28×28 and
random, for only speed is looked at; views are the digits' augmentation. "Against a plain loop" is 16 steps of a loop
written by hand over one step of the batch of 16 seeds, both with the same views. Nothing is printed without a device.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import numpy as np
import torch
from networks import CPU, plain_loop
from table import Row, print_table

from dynsim.networks import Experiment, Images
from dynsim.networks.datasets import load_images
from dynsim.networks.run import Run
from dynsim.networks.torch_settings import deterministic

NETS = {"CNN+BN": {"encoder": "cnn"}, "MLP+BN": {}}


def seconds(step: Callable[[], object], steps: int) -> float:
    """Elapsed seconds of a step."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = perf_counter()
    for _ in range(steps):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (perf_counter() - start) / steps


def alternate(contestants: dict[str, Callable[[], object]], steps: int, rounds: int) -> dict[str, float]:
    """Median seconds of a step of each, taking turns; the first turn warms up."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, step in contestants.items():
            took = seconds(step, steps)
            if turn:
                found[name].append(took)
    return {name: median(times) for name, times in found.items()}


def rows(
    device: torch.device, seeds: int = 16, batch: int = 4096, steps: int = 10, rounds: int = 3, core: bool = True
) -> Iterator[Row]:
    """Rows of the benchmark; those against one core take some ten seconds each."""
    rng = np.random.default_rng(0)
    data = Images.of(rng.random((2 * batch, 28, 28)), test=rng.random((10, 28, 28)), name="random")
    for net, fields in NETS.items():
        experiment = Experiment(data=data, batch=batch, measures=(), **fields)
        images = load_images(experiment)
        times = alternate(
            {
                "plain": plain_loop(experiment, device),
                "one": Run(experiment, images, [0], device).advance,
                "all": Run(experiment, images, range(seeds), device).advance,
            },
            steps,
            rounds,
        )
        shown = f"{1 / times['all']:.1f} steps/s of {seeds} seeds, plain {1 / times['plain']:.1f} of one"
        yield Row(
            f"{net}, {seeds} seeds over {seeds} plain loops",
            seeds * times["plain"] / times["all"],
            1,
            "at least",
            shown,
        )
        yield Row(
            f"{net}, one seed over a plain loop",
            times["plain"] / times["one"],
            0.8,
            "at least",
            f"{1 / times['one']:.1f} steps/s",
        )
        if net == "CNN+BN":
            with deterministic(True, device):
                slow = alternate({"all": Run(experiment, images, range(seeds), device).advance}, steps, 1)["all"]
            yield Row(
                f"{net}, deterministic over not", times["all"] / slow, 0.5, "at least", f"{1 / slow:.1f} steps/s"
            )
        if core and net == "CNN+BN":
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            alone = seconds(Run(experiment, images, range(seeds), CPU).advance, 1)
            torch.set_num_threads(threads)
            yield Row(
                f"{net}, the device over one core", alone / times["all"], 10, "at least", f"{alone:.1f} s a step"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device is present")
        return
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print_table(f"On {name}", rows(device, options.seeds, options.batch, options.steps, options.rounds))


if __name__ == "__main__":
    main()
