"""The step size: rest, period doubling, chaos, collapse, divergence; and the bound that says when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.step_size import stable_step_size, step_size_bifurcation
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

NOISE = (0.0, 0.2, 0.5)


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    eta: float = 0.05,
    resolution: int = 400,
    settle: int = 4000,
) -> xr.Dataset:
    """Iterate gradient descent with stop-gradient over h: the toy, and the scalar system with weight decay.

    The toy has a line of equilibria, each with its own bound 2/(αθ²); with decay there is one, and it doubles its
    period. `bound` is where the linearisation says so, `first` where the iterated map does.
    """
    toy = find_system("toy")
    article = {"phi": 0.6, "theta": 0.1, **(initial or {})}
    steps = np.linspace(0.02, 5.0, resolution)
    line = step_size_bifurcation(toy, article, steps, settle=settle, keep=48)
    flow = find_system("scalar").fix(eta_p="eta", eta_s="eta")
    start = {"phi": 0.8, "theta": 0.8}
    point = step_size_bifurcation(flow, start, steps, parameters={"sigma2": 0.0, "eta": eta}, settle=settle, keep=48)
    if progress:
        progress(1, 2, "bifurcation diagrams")

    decays = xr.DataArray(np.linspace(0.01, 0.15, 15), dims="eta")
    noise = xr.DataArray(list(NOISE), dims="sigma2")
    fine = np.linspace(1.5, 12.0, 2 * resolution)
    upper = _upper(noise, decays)
    beside = {"phi": 1.001 * upper, "theta": 0.9995 * upper}  # off the invariant φ = θ, where one direction hides
    values = {"sigma2": noise, "eta": decays}
    ends = step_size_bifurcation(flow, beside, fine, parameters=values, settle=settle, keep=8)
    resting = (ends["period"] == 1) & (abs(ends["theta"].isel(step=-1)) > 1e-3)
    bound = [[_bound(flow, s, e) for e in decays.values] for s in NOISE]
    if progress:
        progress(2, 2, "stability bound over η and σ²")
    data = xr.Dataset(
        {
            "toy_theta": (("lr", "orbit"), line["theta"].transpose("lr", "step").values),
            "toy_period": ("lr", line["period"].values),
            "theta": (("lr", "orbit"), point["theta"].transpose("lr", "step").values),
            "period": ("lr", point["period"].values),
            "bound": (("sigma2", "eta"), bound),
            "first": (("sigma2", "eta"), fine[resting.transpose("sigma2", "eta", "lr").values.argmin(axis=-1)]),
        },
        coords={"lr": steps, "sigma2": list(NOISE), "eta": decays.values},
    )
    end = toy.exact.end(article, {"alpha": 1.0}) if toy.exact else None
    data["toy_flow"] = abs(float(end.values["theta"])) if end else np.nan
    data["diagram_bound"] = _bound(flow, 0.0, eta)
    about = {**toy.about(), "roles": toy.roles}
    return stamp(data, flow=about, parameters={"alpha": 1.0}, initial=article, eta=eta, resolution=fine[1] - fine[0])


def _upper(sigma2: Any, eta: Any) -> Any:
    """φ = θ at the upper equilibrium, p₊ = (1 + √(1 − 4η(1 + σ²)))/(2(1 + σ²))."""
    return (1 + np.sqrt(1 - 4 * eta * (1 + sigma2))) / (2 * (1 + sigma2))


def _bound(flow: Any, sigma2: float, eta: float) -> float:
    upper = float(_upper(sigma2, eta))
    return stable_step_size(flow, {"phi": upper, "theta": upper}, {"sigma2": sigma2, "eta": eta, "alpha": 1.0})


def verdict(data: xr.Dataset) -> Verdict:
    """Say up to which step the toy comes to rest, and how well the linear bound tells where the map turns."""
    rests = data["toy_period"] == 1
    last = (
        float(data["lr"].isel(lr=int(rests.values.argmin()) - 1)) if not bool(rests.all()) else float(data["lr"][-1])
    )
    gap = float(abs(data["first"] - data["bound"]).max())
    detail = (
        f"from the article's start gradient descent comes to rest up to a step of about {last:.3g}; with weight decay "
        f"the map leaves its equilibrium within {gap:.2g} of the step that the linearisation names, by period doubling"
    )
    headline = f"The toy comes to rest up to a step of about {last:.3g}; the linear bound is met within {gap:.2g}"
    return concluded("measured", headline, detail)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Attractor of the map over the step, for the line of equilibria and for a point; the bound over η and σ²."""
    line, point, bound = panel_row(figure, 3)
    h = data["lr"].values
    for axes, name in ((line, "toy_theta"), (point, "theta")):
        orbit = abs(data[name])
        axes.plot(h, orbit.values, ".", color=COLOURS["black"], markersize=1.7, markeredgewidth=0, rasterized=True)
        period = data["toy_period" if name == "toy_theta" else "period"].values
        gone = h[period < 0]
        if gone.size:
            axes.axvspan(gone[0], h[-1], color="#EFE0D6", zorder=0)
        axes.set(xlim=(0, h[-1]), ylim=(-0.02, 1.45), xlabel="step size h", ylabel="|θ| after thousands of steps")
    line.plot(h, np.sqrt(2 / h), color=COLOURS["vermilion"], label="bound: h = 2/θ²")
    line.axhline(float(data["toy_flow"]), color=COLOURS["blue"], linewidth=1.2, linestyle="--", label="the flow: θ∞")
    line.legend(loc="lower left")
    line.set_title("toy: a line of equilibria")
    limit = float(data["diagram_bound"])
    point.axvline(limit, color=COLOURS["vermilion"], label=f"bound: h = {limit:.3g}")
    point.legend(loc="lower left")
    point.set_title(f"with decay η = {data.attrs['eta']:g}: one equilibrium")

    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.8, data.sizes["sigma2"]))
    for shade, style, sigma2 in zip(shades, ("-", "--", "-."), data["sigma2"].values, strict=False):
        one = data.sel(sigma2=sigma2)
        bound.plot(data["eta"], one["bound"], color=shade, linestyle=style, label=f"{sigma2:g}")
        bound.plot(data["eta"], one["first"], "o", color=shade, markersize=4, markerfacecolor="white")
    bound.set(xlabel="weight decay η", ylabel="largest stable step", title="line: linearised, circles: iterated")
    bound.legend(title="noise σ²")
    caption(
        figure,
        data,
        "Gradient descent with stop-gradient. Left: the toy, where every point of a line of equilibria "
        "has its own bound. Shaded: diverges. Right: lines linearised, circles iterated",
    )


FIGURE = Figure(
    name="step-size",
    summary="Gradient descent over its step size, and the bound of stability",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=14.0,
    stored=True,
    height=3.1,
    panels=3,
    small={"resolution": 41, "settle": 400},
)
