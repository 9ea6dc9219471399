"""What the alarm of a monitor is worth: plain loops on digits that live, that never live, and that live and then die.

    OMP_NUM_THREADS=1 python benchmarks/alarm.py --seeds 0 6     # some 3 minutes on one core
    python benchmarks/alarm.py --table                           # of the stored records

Every run is a loop as anyone would write it, with a `dynsim.monitor.Monitor` that records every five steps what it
sees of the training batch, and beside it kNN on augmented test images. Settings differ in network, loss,
teacher, batch, learning rate and decay, and in how they die. The stored records are what the documentation's page on
the judge is made from. The bounds of the alarm were chosen with seeds 0 and 2 in view; the others were not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from dynsim.monitor import Monitor
from dynsim.networks import measures
from dynsim.pages.judge import ALARM_RUNS, alarm_table
from dynsim.records import stamp
from dynsim.storage import open_dataset, save_dataset

STEPS, EVERY, KNN_EVERY = 300, 5, 10
CHOSEN_ON = (0, 2)  # seeds that were looked at when the bounds of the alarm were chosen
KEPT = ("spread", "rankme", "norm_ratio", "loss")


@dataclass(frozen=True)
class Loop:
    """One way to train, and to die; what is said of `later` begins at half of the steps."""

    name: str
    fate: str  # "lives", "never lives" or "dies later"
    net: str = "mlp"
    loss: str = "cosine"
    ema: float | None = None
    batch: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    decay: float = 1e-4
    detached: bool = True
    predictor: bool = True
    later: str = ""


LOOPS = (
    Loop("SimSiam", "lives"),
    Loop("SimSiam, batch 32", "lives", batch=32),
    Loop("SimSiam, slow", "lives", lr=0.02),
    Loop("SimSiam, CNN", "lives", net="cnn"),
    Loop("linear", "lives", net="linear", loss="squared", lr=0.02),
    Loop("BYOL", "lives", ema=0.99),
    Loop("VICReg", "lives", loss="vicreg", lr=0.02),
    Loop("SimSiam, decay 1e-3", "lives", decay=1e-3),
    Loop("BYOL, CNN", "lives", net="cnn", ema=0.98),
    Loop("InfoNCE", "lives", loss="infonce"),
    Loop("SimSiam, both branches", "never lives", detached=False),
    Loop("SimSiam, both branches, batch 32", "never lives", detached=False, batch=32),
    Loop("SimSiam, both branches, CNN", "never lives", net="cnn", detached=False),
    Loop("SimSiam, no predictor", "never lives", predictor=False),
    Loop("linear, both branches", "never lives", net="linear", loss="squared", lr=0.02, detached=False),
    Loop("VICReg, invariance alone", "never lives", loss="squared", predictor=False, detached=False, lr=0.02),
    Loop("SimSiam, both branches, slow", "never lives", detached=False, lr=0.05),
    Loop("BYOL, no predictor, CNN", "never lives", net="cnn", ema=0.9, predictor=False),
    Loop("SimSiam, then both branches", "dies later", later="attached"),
    Loop("SimSiam, batch 32, then both branches", "dies later", later="attached", batch=32),
    Loop("SimSiam, then the pair alone", "dies later", later="pair"),
    Loop("SimSiam, CNN, then the pair alone", "dies later", net="cnn", later="pair"),
    Loop("SimSiam, slow, then both branches", "dies later", lr=0.05, later="attached"),
    Loop("BYOL, then the pair alone", "dies later", ema=0.99, later="pair"),
    Loop("VICReg, then the pair alone", "dies later", loss="vicreg", lr=0.02, later="pair"),
    Loop("BYOL, then no predictor", "dies later", ema=0.9, later="no predictor"),
    Loop("SimSiam, CNN, then both branches", "dies later", net="cnn", later="attached"),
    Loop("BYOL, CNN, then the pair alone", "dies later", net="cnn", ema=0.98, later="pair"),
)


@cache
def digits() -> tuple[torch.Tensor, np.ndarray]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16, dtype=torch.float32)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    return (x - x.mean(0))[order], labels[order.numpy()]


def view(x: torch.Tensor, shift: int = 1) -> torch.Tensor:
    """Shifted by a pixel, contrast, noise and erased pixels."""
    rows, columns = ((torch.arange(8) + torch.randint(-shift, shift + 1, (len(x), 1))).clamp(0, 7) for _ in range(2))
    x = x.reshape(-1, 8, 8).take_along_dim(rows[:, :, None], 1).take_along_dim(columns[:, None, :], 2).flatten(1)
    return x * (0.7 + 0.6 * torch.rand(len(x), 1)) * (torch.rand_like(x) > 0.15) + 0.1 * torch.randn_like(x)


def modules(loop: Loop) -> tuple[nn.Module, nn.Module]:
    if loop.net == "linear":
        return nn.Linear(64, 32, bias=False), nn.Linear(32, 32, bias=False)
    head = nn.Sequential(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 32))
    if loop.net == "cnn":
        body = [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()]
        body += [nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(64, 32)]
        return nn.Sequential(*body), head
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32)), head


def loss_of(kind: str, z: tuple[Any, Any], p: tuple[Any, Any], t: tuple[Any, Any]) -> torch.Tensor:
    """Of both views, as the methods do: cosine or squared error against the other's target, or of the pair alone."""
    if kind == "cosine":
        return -sum(nn.functional.cosine_similarity(p[i], t[1 - i]).mean() for i in (0, 1)) / 2
    if kind == "squared":
        return sum((p[i] - t[1 - i]).square().sum(1).mean() for i in (0, 1)) / 4
    if kind == "vicreg":
        return 25 * (z[0] - z[1]).square().mean() + sum(_variance_and_covariance(one) for one in z)
    one, other = (nn.functional.normalize(each) for each in z)
    scores = one @ other.T / 0.2
    return nn.functional.cross_entropy(scores, torch.arange(len(scores)))


def _variance_and_covariance(z: torch.Tensor) -> torch.Tensor:
    covariance = torch.cov(z.T)
    off = covariance - covariance.diag().diag()
    return 12.5 * torch.relu(1 - (covariance.diag() + 1e-4).sqrt()).mean() + off.square().sum() / len(off)


def trained(loop: Loop, seed: int) -> tuple[Monitor, np.ndarray]:
    """One run: its monitor, and kNN on augmented test images, every ten steps where it is to be lost."""
    torch.manual_seed(seed)
    x, labels = digits()
    encoder, predictor = modules(loop)
    teacher = deepcopy(encoder) if loop.ema is not None else None
    parameters = [*encoder.parameters(), *predictor.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=loop.lr, momentum=loop.momentum, weight_decay=loop.decay)
    train, shift = x[:1000], int(loop.net != "linear")  # a linear network cannot learn that a shift is none
    with torch.random.fork_rng():
        torch.manual_seed(1)
        view_of_test = view(x[1000:], shift)
    m, curve = Monitor(every=EVERY), np.full(STEPS // KNN_EVERY + 1, np.nan)
    for step in range(STEPS):
        if step % KNN_EVERY == 0 and (step == 0 or loop.fate == "dies later"):
            curve[step // KNN_EVERY] = _knn(encoder, train, view_of_test, labels)
        late = loop.later if step >= STEPS // 2 else ""
        batch = train[torch.randint(0, len(train), (loop.batch,))]
        views = view(batch, shift), view(batch, shift)
        z = encoder(views[0]), encoder(views[1])
        with torch.no_grad():
            slow = None if teacher is None else (teacher(views[0]), teacher(views[1]))
        heads = loop.predictor and late not in ("no predictor", "pair")
        p = (predictor(z[0]), predictor(z[1])) if heads else z
        attached = not loop.detached or late in ("attached", "pair")
        t = slow if slow and not attached else z if attached else (z[0].detach(), z[1].detach())
        kind = "squared" if late == "pair" and loop.loss == "vicreg" else loop.loss
        loss = loss_of(kind, z, p, t)
        optimiser.zero_grad()
        loss.backward()
        m.record(step, z[0], z[1], loss=loss)
        optimiser.step()
        if teacher is not None:
            for old, new in zip(teacher.parameters(), encoder.parameters(), strict=True):
                old.data.lerp_(new.data, 1 - loop.ema)
    curve[-1] = _knn(encoder, train, view_of_test, labels)
    return m, curve


def _knn(encoder: nn.Module, train: torch.Tensor, test: torch.Tensor, labels: np.ndarray) -> float:
    """Of a copy, whose BatchNorm takes the statistics of what it sees."""
    with torch.no_grad():
        clean, augmented = (deepcopy(encoder)(x) for x in (train, test))
    return float(measures.knn(clean, labels[:1000], augmented, labels[1000:]))


def runs(seeds: range, loops: tuple[Loop, ...]) -> Iterator[xr.Dataset]:
    for loop in loops:
        for seed in seeds:
            m, curve = trained(loop, seed)
            data = m.dataset[list(KEPT)].astype("float32").drop_attrs()
            data["knn"] = ("knn_step", curve.astype("float32"), {})
            yield data.expand_dims("run").assign_coords(
                knn_step=np.arange(len(curve)) * KNN_EVERY, run=("run", [f"{loop.name} #{seed}"])
            ).assign(
                loop=("run", [loop.name]), fate=("run", [loop.fate]), seed=("run", [seed]),
                kept_out=("run", [int(seed not in CHOSEN_ON)]),
            )  # fmt: skip
        print(loop.name, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 6), metavar=("FIRST", "END"))
    parser.add_argument("--out", default=str(ALARM_RUNS), help="where the records go")
    parser.add_argument("--join", nargs="*", help="files of earlier calls, to be put into one")
    parser.add_argument("--only", default="", help="loops whose fate and name contain this")
    parser.add_argument("--table", action="store_true", help="train nothing")
    args = parser.parse_args()
    if not args.table:
        torch.set_num_threads(1)
        if args.join:
            found = [xr.open_dataset(path, engine="h5netcdf").load() for path in args.join]
        else:
            chosen = tuple(loop for loop in LOOPS if args.only in f"{loop.fate}: {loop.name}")
            found = list(runs(range(*args.seeds), chosen))
        data = xr.concat(found, "run", data_vars="minimal", coords="minimal", compat="override")
        save_dataset(stamp(data, kind="training", every=EVERY, steps=STEPS), args.out, compress=True)
    print(alarm_table(open_dataset(args.out)))


if __name__ == "__main__":
    main()
