"""What minibatch noise does to a living state: how long it lives, over the size of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.noise.derivation import noisy_flow
from dynsim.integrate.noise.escape import escape_time
from dynsim.records import stamp
from dynsim.verdict import Verdict

LOSS = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
VIEWS = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
BATCHES = (1, 2, 4, 8)
PROCESSES = {"minibatch": "minibatches", "weak-2": "diffusion"}


def compute(
    progress: Any = None,
    *,
    batches: Any = BATCHES,
    sigma2: float = 0.1,
    eta: float = 0.2,
    lr: float = 0.5,
    t_max: float = 1000.0,
    seeds: int = 200,
) -> xr.Dataset:
    """Times at which φ falls below 0.05 from the living equilibrium φ₊, by minibatches and by the diffusion."""
    noisy = noisy_flow(LOSS, "phi, theta", random=VIEWS, decay={"phi": "eta", "theta": "eta"})
    # φ = θ is invariant under every minibatch; there φ' = φ²(1 − (1 + σ²)φ) − ηφ.
    alive = (1 + np.sqrt(1 - 4 * (1 + sigma2) * eta)) / (2 * (1 + sigma2))
    values = {"sigma2": sigma2, "eta": eta, "h": lr, "B": np.asarray(batches, float)}
    parts = []
    for index, method in enumerate(PROCESSES):
        start = {"phi": alive, "theta": alive}
        out = escape_time(
            noisy, start, "phi < 0.05", t_max=t_max, seeds=seeds, parameters=values, method=method, workers=1
        )
        parts.append(out.drop_attrs())
        if progress:
            progress(index + 1, len(PROCESSES), PROCESSES[method])
    data = xr.concat(parts, xr.DataArray(list(PROCESSES), dims="process", name="process"))
    known = {"sigma2": sigma2, "eta": eta, "h": lr}
    return stamp(data, flow=noisy.about(), parameters=known, initial={"phi": alive, "theta": alive}, t_max=t_max)


def verdict(data: xr.Dataset) -> Verdict:
    """Say how much longer the living state lives with larger batches, and how far the diffusion is off."""
    times, errors = data["mean_escape_time"], data["standard_error"]
    own = times.sel(process="minibatch")
    known = own.dropna("B")
    if not known.size:
        return concluded(
            "measured", "No path collapsed in the time that was watched", "0 paths of minibatches collapse"
        )
    small, large = (known.isel(B=i) for i in (0, -1))
    gaps = (own - times.sel(process="weak-2")) / np.hypot(
        errors.sel(process="minibatch"), errors.sel(process="weak-2")
    )
    grows = bool((known.diff("B") > 0).all()) and known.size > 1
    sooner = [f"{float(b):g}" for b in data["B"] if float(gaps.sel(B=b)) > 3]
    diffusion = f"the diffusion leaves sooner at B = {', '.join(sooner)}" if sooner else "the diffusion agrees"
    lost = int(data["escaped"].sel(process="minibatch").sum())
    detail = (
        f"{lost} of {data['B'].size * data.sizes['seed']} paths of minibatches collapse before t = "
        f"{float(data.attrs['t_max']):g}; mean times " + ", ".join(f"{float(t):.3g}" for t in own) + f"; {diffusion}, "
        "beyond 3 standard errors"
    )
    return concluded(
        "measured",
        [
            f"Noise collapses the living state: after {float(small):.3g} at B = {float(small['B']):g}, "
            f"{float(large):.3g} at B = {float(large['B']):g}",
            "Minibatch noise collapses the living state",
        ]
        if grows
        else "How long the living state lives does not grow with the batch here",
        detail,
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Share of paths still alive over time, and the mean time of collapse over the batch, with standard errors."""
    share, mean = panel_row(figure, 2)
    end = float(data.attrs["t_max"])
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["B"]))
    labels = []
    for shade, batch in zip(shades, data["B"].values, strict=True):
        times = np.sort(data["escape_time"].sel(process="minibatch", B=batch).dropna("seed").values)
        alive = 1 - np.arange(len(times) + 1) / data.sizes["seed"]
        share.step([0.0, *times, end], [*alive, alive[-1]], where="post", color=shade)
        labels.append((float(alive[-1]), f"B = {batch:g}", shade))
    share.set(xlabel="flow time t", ylabel="share of paths alive", xlim=(0, end), ylim=(-0.02, 1.02))
    label_ends(share, labels)
    ends = []
    for (method, name), colour in zip(PROCESSES.items(), (COLOURS["blue"], COLOURS["orange"]), strict=True):
        one = data.sel(process=method)
        mean.errorbar(data["B"], one["mean_escape_time"], 2 * one["standard_error"], color=colour, marker="o", ms=3)
        ends.append((float(one["mean_escape_time"][-1]), name, colour))
    mean.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="mean time of collapse")
    mean.set_xticks(data["B"].values, [f"{batch:g}" for batch in data["B"].values])
    low, high = mean.get_ylim()
    ticks = [tick for power in range(-2, 9) for tick in (10.0**power, 3 * 10.0**power) if low < tick < high]
    mean.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    mean.minorticks_off()
    label_ends(mean, ends)
    caption(
        figure,
        data,
        f"Scalar system, stop-gradient and decay, from its living equilibrium; {data.sizes['seed']} seeds per batch. "
        "Bars: two standard errors. Without noise nothing collapses",
    )


FIGURE = Figure(
    name="noise",
    summary="What minibatch noise does to the living state: times of collapse over the batch",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=15,
    height=3,
    panels=2,
    small={"batches": (1, 2), "t_max": 100.0, "seeds": 40},
)
