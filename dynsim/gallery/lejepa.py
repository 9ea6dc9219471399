"""LeJEPA's partial collapse: which noise shares die as λN falls, after the flow and in linear networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import as_predicted
from dynsim.methods.catalogue import method
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict

NOISE = np.array([0.02, 0.02, 0.02, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
LAM, FINE = 0.02, np.unique(np.geomspace(4, 512, 29).round().astype(int))
FIXED = (8, 64)  # batches at which λ is moved instead
COLOUR = ("purple", "vermilion", "blue", "green", "orange")


def compute(
    progress: Progress | None = None, *, batches: Sequence[int] = (8, 16, 32, 64), seeds: int = 2, steps: int = 1200
) -> xr.Dataset:
    """Variances of sixteen features of equal variance at the end, over batch sizes, and in linear networks.

    Parameters
    ----------
    progress : callable, optional
    batches : sequence of int
        Images per batch of the networks.
    seeds, steps : int
        Of the networks, on Gaussian views of exactly these noise shares; the last half of the steps is averaged.

    Returns
    -------
    xarray.Dataset
        `end` (fine, feature), after theory at λ = .02; `other` (fixed, fine, feature), the same λN with the batch
        held and λ moved; `predicted` (batch, feature), `measured` (batch, feature, seed); `noise` (feature).
    """

    def end(batch: int, lam: float) -> np.ndarray:
        return np.asarray(method("lejepa", lam=lam).amplitude(nu=NOISE, batch=batch, views=2).value)

    measured = []
    for index, batch in enumerate(batches):
        if progress:
            progress(index, len(batches), f"linear networks, batch {batch}")
        measured.append(_trained(batch, seeds, steps))
    other = [[end(held, LAM * n / held) if LAM * n / held < 1 else NOISE * np.nan for n in FINE] for held in FIXED]
    data = xr.Dataset(
        {
            "end": (("fine", "feature"), np.array([end(int(n), LAM) for n in FINE])),
            "other": (("fixed", "fine", "feature"), np.array(other)),
            "predicted": (("batch", "feature"), np.array([end(n, LAM) for n in batches])),
            "measured": (("batch", "feature", "seed"), np.array(measured)),
        },
        {"fine": FINE, "fixed": list(FIXED), "batch": list(batches), "noise": ("feature", NOISE)},
    )
    return stamp(data, lam=LAM, steps=steps, dim=len(NOISE))


def _trained(batch: int, seeds: int, steps: int) -> np.ndarray:
    """Mean variance of every feature, (feature, seed), in the last half of a run on fresh Gaussian views."""
    from dynsim.networks import Experiment
    from dynsim.networks.given_views import run_on_gaussians
    from dynsim.networks.torch_settings import one_thread

    experiment = Experiment(
        data=np.random.default_rng(0).normal(size=(2 * batch, len(NOISE))), objective=method("lejepa").loss,
        knobs={"lam": LAM}, encoder="linear", norm="none", init="orthogonal", predictor="none", dim=len(NOISE),
        batch=batch, augmentation={"noise": 0.0}, lr=1.0 if batch < 16 else 0.5, momentum=0.0,
        measures=(), steps=steps,
    )  # fmt: skip
    run = run_on_gaussians(experiment, range(seeds), batch, NOISE, batch)
    sizes = []
    with one_thread():
        while run.step < steps:
            run.advance()
            if run.step > steps // 2:
                sizes.append(np.square(run.encoder_parameters()["W"]).sum(1).T)
    return np.asarray(np.mean(sizes, 0))


def edge(ends: xr.DataArray) -> np.ndarray:
    """The largest noise share that lives, 0 where none does."""
    return np.where(ends > 0, NOISE, 0.0).max(-1)


def verdict(data: xr.Dataset) -> Verdict:
    """How far the noise share may go at each batch, whether networks agree, and whether only λN counts."""
    right = as_predicted(data)
    share = float(right.mean())
    lives = data["predicted"] > 0
    error = float(abs(data["measured"].mean("seed") / data["predicted"] - 1).where(lives).median())
    edges = dict(zip(data["batch"].values.tolist(), edge(data["predicted"]), strict=True))
    told = ", ".join(f"{value:g} at N = {batch}" for batch, value in edges.items())
    low, high = min(edges), max(edges)
    moved = [edge(data["other"].sel(fixed=held)) for held in data["fixed"].values]
    known = ~np.isnan(data["other"].values).any(-1)
    same = float(np.mean([(m == edge(data["end"]))[k].mean() for m, k in zip(moved, known, strict=True)]))
    return concluded(
        "holds" if share >= 0.95 else "holds under conditions" if share > 0.5 else "does not hold",
        f"LeJEPA keeps noise shares to {edges[low]:g} at N = {low}, {edges[high]:g} at {high}; networks {share:.0%}",
        f"largest noise share that lives: {told}; of {right.size} features of linear networks {share:.1%} live "
        f"or die as the flow has it, median error of the amplitude {error:.0%}; with λ moved instead of N the edge is "
        f"the same at {same:.0%} of the values of λN; Gaussian views, D = {data.attrs['dim']} equal variances, V = 2",
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Amplitude over the noise share, per batch; the edge over λN."""
    left, beside = panel_row(figure, 2)
    for colour, batch in zip(COLOUR, data["batch"].values, strict=False):
        one = data.sel(batch=batch)
        left.plot(NOISE, one["predicted"], color=COLOURS[colour], linewidth=1.2, label=f"N = {batch}")
        left.plot(NOISE, one["measured"], "o", color=COLOURS[colour], markersize=3)
    left.set(xlabel="noise share ν", ylabel="variance at the end, v", xlim=(0, 1))
    left.legend()
    lam = float(data.attrs["lam"])
    beside.step(lam * FINE, edge(data["end"]), where="mid", color=COLOURS["black"], label=f"N moved, λ = {lam:g}")
    for held, style, colour in zip(data["fixed"].values, (":", "--"), ("purple", "orange"), strict=True):
        ends = data["other"].sel(fixed=held)
        known = ~np.isnan(ends.values).any(-1)
        label, moved = f"λ moved, N = {held}", edge(ends)[known]
        beside.step(lam * FINE[known], moved, style, where="mid", color=COLOURS[colour], label=label)
    for batch in data["batch"].values:
        sizes = data["measured"].sel(batch=batch).mean("seed").values
        alive = sizes > 0.01 * sizes.max()
        for chosen, face in ((alive, COLOURS["blue"]), (~alive, "white")):
            at = np.full(chosen.sum(), lam * batch)
            beside.plot(at, NOISE[chosen], "o", color=COLOURS["blue"], markersize=3, markerfacecolor=face)
    beside.set(xscale="log", xlabel="λN", ylabel="largest noise share that lives", ylim=(0, 1))
    beside.legend(loc="lower right")
    caption(
        figure,
        data,
        f"LeJEPA, D = {data.attrs['dim']} features of equal variance, V = 2 views. Lines: minimum of the expected "
        f"loss; dots: linear networks ({data.sizes['seed']} seeds, {data.attrs['steps']} steps), right filled where "
        "above 1 % of the largest",
    )


FIGURE = Figure(
    name="lejepa",
    summary="LeJEPA's partial collapse: which noise shares die as λN falls",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=90.0,
    height=3.2,
    panels=2,
    needs=("networks",),
    small={"batches": (8,), "seeds": 1, "steps": 20},
)
