"""Seeds as one batch against one after another, and one seed against a plain PyTorch loop, on one core.

    OMP_NUM_THREADS=1 python benchmarks/networks.py

First table, whole runs: `train` with 16 seeds against 16 calls with one seed each, digits, default augmentations,
300 steps. Second table, steps alone: "1/plain" is the speed of one seed relative to a plain hand-written loop of the
same net on the same views; "gain" the time of 16 steps of one seed over a step of the batch; "over plain" the same
for 16 steps of the plain loop. Measures are excluded everywhere.

Third table, what a batch cannot share: "draws" the random numbers of 16 seeds, one stream each, "sampling" the
interpolation of their views, "products" their matrix products, all as bare torch calls on memory that is there and
in the caches already. "bound" is the gain if a step of the batch did these and, once, what else a step of one does.

Fourth table, a loss typed as text against the hand-written one of the same name: steps per second of the text over
those of the named objective (wanted: 0.8), one seed, MLP, batch 256.

Contestants take turns, and what is compared is CPU time, medians over rounds, so that a busy machine does not decide.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from math import prod
from re import findall
from statistics import median
from time import process_time

import torch
from torch import nn
from torch.nn import functional

from dynsim import method
from dynsim.networks import Experiment, train
from dynsim.networks.datasets import load_images
from dynsim.networks.run import Run
from dynsim.networks.seeds import generator
from dynsim.networks.views import Source

SETTINGS = {
    "linear": ({"encoder": "linear", "norm": "none", "predictor": "linear", "objective": "squared", "lr": 0.02}, 5.0),
    "MLP": ({"norm": "none", "predictor": "mlp", "predictor_norm": "none"}, 4.0),
    "MLP+BN": ({}, 3.0),
    "CNN+BN": ({"encoder": "cnn"}, 2.0),
}
"""Fields of each net, and how many times faster a batch of 16 seeds is wanted to be than 16 plain loops."""
CPU = torch.device("cpu")
VIEWS = {"digits augmentation": None, "noise": {"noise": 0.1}, "no augmentation": {}}


def plain_loop(experiment: Experiment, device: torch.device = CPU) -> Callable[[], object]:
    """One step of the same net as anyone would write it: modules, torch.optim, one view after the other."""
    images = load_images(experiment)
    source = Source(experiment, images, device)
    stream = generator(0, "batches", device)
    pixels, dim, size = images.train[0].size, experiment.dim, int(experiment.batch)

    def dense(sizes: list[int], norm: bool) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(sizes[0], sizes[1], bias=not norm),
            *([nn.BatchNorm1d(sizes[1])] if norm else []),
            nn.ReLU(),
            nn.Linear(sizes[1], sizes[2]),
        )

    norm = experiment.norm == "batch"
    if experiment.encoder == "linear":
        encoder: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(pixels, dim, bias=False))
        predictor: nn.Module = nn.Linear(dim, dim, bias=False)
    elif experiment.encoder == "mlp":
        encoder = nn.Sequential(nn.Flatten(), dense([pixels, 128, dim], norm))
        predictor = dense([dim, dim, dim], norm)
    else:
        encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, dim),
        )  # fmt: skip
        predictor = dense([dim, dim, dim], norm)
    encoder, predictor = encoder.to(device), predictor.to(device)
    optimiser = torch.optim.SGD(
        [*encoder.parameters(), *predictor.parameters()], lr=experiment.lr, momentum=experiment.momentum
    )
    order, position = torch.randperm(source.number, generator=stream, device=device), 0

    def distance(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        if experiment.objective == "squared":
            return (p - t).square().sum(1).mean() / 2
        return -functional.cosine_similarity(p, t).mean()

    def step() -> None:
        nonlocal order, position
        if position + size > len(order):
            order, position = torch.randperm(source.number, generator=stream, device=device), 0
        views = source.batch(order[None, position : position + size], [stream]).views[0]
        position += size
        z1, z2 = encoder(views[0]), encoder(views[1])
        loss = (distance(predictor(z1), z2.detach()) + distance(predictor(z2), z1.detach())) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def alternate(contestants: dict[str, Callable[[], object]], steps: int, rounds: int) -> dict[str, float]:
    """Median seconds of `steps` calls of each, taking turns."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, step in contestants.items():
            if steps > 1:
                step()  # what the one before has driven from the caches comes back
            start = process_time()
            for _ in range(steps):
                step()
            if turn:  # the first turn warms up
                times[name].append((process_time() - start) / steps)
    return {name: median(found) for name, found in times.items()}


def whole_runs(seeds: int, rounds: int) -> None:
    print(f"{'net':8} {'batch s':>8} {'one by one s':>13} {'gain':>6}")
    for net, (fields, _) in SETTINGS.items():
        if net == "CNN+BN":  # a minute by itself
            continue
        experiment = Experiment(**fields, measures=(), every=Experiment().steps)
        contestants = {
            "batch": partial(train, experiment, seeds),
            "one": lambda experiment=experiment: [train(experiment, [seed]) for seed in range(seeds)],
        }
        times = alternate(contestants, 1, rounds)
        gain = times["one"] / times["batch"]
        print(f"{net:8} {times['batch']:8.2f} {times['one']:13.2f} {gain:6.1f}")


def batch_speeds(rounds: int, steps: int, seeds: int = 16) -> Iterator[tuple[str, float, float, float, float]]:
    """Net, seconds of a plain step and of one of the batch, 16 plain over one of the batch, and what is wanted."""
    for net, (fields, wanted) in SETTINGS.items():
        experiment = Experiment(**fields, measures=())
        run = Run(experiment, load_images(experiment), range(seeds), CPU)
        times = alternate({"plain": plain_loop(experiment), "all": run.advance}, steps, rounds)
        yield net, times["plain"], times["all"], seeds * times["plain"] / times["all"], wanted


def steps_alone(seeds: int, rounds: int, steps: int) -> None:
    columns = ("plain ms", 9), ("1 seed ms", 9), ("batch ms", 9), ("1/plain", 8), ("gain", 6), ("over plain", 10)
    print(f"{'net':8} {'views':20} " + " ".join(name.rjust(width) for name, width in columns))
    for net, (fields, _) in SETTINGS.items():
        for views, augmentation in VIEWS.items():
            chosen = fields if augmentation is None else {**fields, "augmentation": augmentation}
            experiment = Experiment(**chosen, measures=())
            images, cpu = load_images(experiment), torch.device("cpu")
            times = alternate(
                {
                    "plain": plain_loop(experiment),
                    "one": Run(experiment, images, [0], cpu).advance,
                    "all": Run(experiment, images, range(seeds), cpu).advance,
                },
                steps,
                rounds,
            )
            ratios = times["plain"] / times["one"], seeds * times["one"] / times["all"]
            print(
                f"{net:8} {views:20} {times['plain'] * 1e3:9.3f} {times['one'] * 1e3:9.3f} {times['all'] * 1e3:9.3f} "
                f"{ratios[0]:8.2f} {ratios[1]:6.1f} {seeds * times['plain'] / times['all']:10.1f}"
            )


def bare(experiment: Experiment, seeds: int) -> dict[str, Callable[[], object]]:
    """The parts of a step that every seed needs for itself, as bare torch calls."""
    pixels, dim, columns = 64, experiment.dim, 2 * int(experiment.batch)
    hidden = [] if experiment.encoder == "linear" else [128]
    sizes = [pixels, *hidden, dim], [dim, *([dim] if hidden else []), dim]
    layers = [(fan_out, fan_in) for part in sizes for fan_in, fan_out in pairwise(part)]
    shapes = [(fan_out, fan_in, columns) for fan_out, fan_in in layers]  # forwards
    shapes += [(fan_out, columns, fan_in) for fan_out, fan_in in layers]  # gradients of weights
    shapes += [(fan_in, fan_out, columns) for fan_out, fan_in in layers[1:]]  # and of what goes in
    left, right, out = (torch.rand(seeds * 128 * 128) for _ in range(3))  # for all products, so that caches hold them

    def part(block: torch.Tensor, *shape: int) -> torch.Tensor:
        return block[: seeds * prod(shape)].view(seeds, *shape)

    factors = [(part(left, m, k), part(right, k, n), part(out, m, n)) for m, k, n in shapes]
    streams = [torch.Generator() for _ in range(seeds)]
    uniforms, normals = torch.empty(seeds, 7 * columns), torch.empty(seeds, columns * pixels)
    images, grid = torch.rand(seeds * columns, 1, 8, 8), torch.rand(seeds * columns, 8, 8, 2) * 2 - 1

    def draws() -> None:
        for stream, uniform, normal in zip(streams, uniforms, normals, strict=True):
            uniform.uniform_(-1, 1, generator=stream)
            normal.normal_(generator=stream)

    def products() -> None:
        for a, b, product in factors:
            torch.bmm(a, b, out=product)

    sampling = partial(functional.grid_sample, images, grid, padding_mode="zeros", align_corners=False)
    return {"draws": draws, "sampling": sampling, "products": products}


def bounds(seeds: int, rounds: int, steps: int) -> None:
    columns = ("draws ms", 9), ("sampling ms", 12), ("products ms", 12), ("batch ms", 9), ("gain", 6), ("bound", 6)
    print(f"{'net':8} " + " ".join(name.rjust(width) for name, width in columns))
    for net in ("linear", "MLP"):
        experiment = Experiment(**SETTINGS[net][0], measures=())
        images, cpu = load_images(experiment), torch.device("cpu")
        times = alternate(
            {
                "one": Run(experiment, images, [0], cpu).advance,
                "all": Run(experiment, images, range(seeds), cpu).advance,
                **{f"{name} of one": part for name, part in bare(experiment, 1).items()},
                **bare(experiment, seeds),
            },
            steps,
            rounds,
        )
        own = {name: times[name] for name in bare(experiment, 1)}
        shared = times["one"] - sum(times[f"{name} of one"] for name in own)
        bound = seeds * times["one"] / (sum(own.values()) + shared)
        print(
            f"{net:8} {own['draws'] * 1e3:9.3f} {own['sampling'] * 1e3:12.3f} {own['products'] * 1e3:12.3f} "
            f"{times['all'] * 1e3:9.3f} {seeds * times['one'] / times['all']:6.1f} {bound:6.1f}"
        )


TYPED = ("vicreg", "barlow", "barlow-simon", "spectral", "infonce", "lejepa", "dino")


def texts(rounds: int, steps: int, wanted: float = 0.8) -> None:
    print(f"{'objective':14} {'named ms':>9} {'text ms':>9} {'speed':>6}")
    for name, named, text, speed in text_speeds(rounds, steps):
        print(f"{name:14} {named * 1e3:9.3f} {text * 1e3:9.3f} {speed:6.2f}  (wanted {wanted})")


def text_speeds(rounds: int, steps: int) -> Iterator[tuple[str, float, float, float]]:
    """Name, seconds a step by hand and as text, and their ratio."""
    for name in TYPED:
        asked = method(name)
        words = set(findall(r"\w+", asked.loss))
        knobs = {knob: value for knob, value in asked.knobs.items() if knob in words and isinstance(value, float)}
        more = {"prototypes": 64, "teacher": 0.99} if name == "dino" else {}
        both = {
            which: Experiment(objective=text, knobs=knobs, predictor="none", batch=256, lr=1e-3, measures=(), **more)
            for which, text in (("named", name), ("text", asked.loss))
        }
        images, cpu = load_images(both["text"]), torch.device("cpu")
        times = alternate({which: Run(e, images, [0], cpu).advance for which, e in both.items()}, steps, rounds)
        yield name, times["named"], times["text"], times["named"] / times["text"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--texts", action="store_true", help="the fourth table only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.texts:
        texts(options.rounds, options.steps)
        return
    whole_runs(options.seeds, max(1, options.rounds // 3))
    print()
    steps_alone(options.seeds, options.rounds, options.steps)
    print()
    bounds(options.seeds, options.rounds, options.steps)
    print()
    texts(options.rounds, options.steps)


if __name__ == "__main__":
    main()
