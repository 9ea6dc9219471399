"""The teacher's rate: a slow teacher is a curriculum; a cold one collapses where a warm one learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from scipy.ndimage import distance_transform_edt

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

BETAS = (0.03, 0.1, 0.3, 1.0, 10.0)
COLLAPSED = 1e-3


def compute(
    progress: Any = None,
    *,
    sigma2: float = 0.1,
    eta: float = 0.1,
    start: float = 0.3,
    resolution: int = 101,
    t_end: float = 4000.0,
) -> xr.Dataset:
    """Runs over β from a warm teacher ξ(0) = θ(0), and where θ ends over (β, η) from a warm and from a cold one.

    Start φ = θ = `start`: on the invariant θ² = φ²/α, where the collapse boundary of a warm SimSiam is exact.
    """
    flow = find_system("byol").fix(eta_p="eta", eta_s="eta")
    initial = {"phi": start, "theta": start, "xi": start}
    values = {"sigma2": sigma2, "eta": eta, "alpha": 1.0}
    times = np.concatenate([[0.0], np.geomspace(0.05, 300.0, 240)])
    data = ensemble(flow, initial, times=times, parameters={**values, "beta": np.array(BETAS)})
    data["tau"] = data["xi"] / data["theta"]
    cold = ensemble(flow, {**initial, "xi": 0.0}, times=times, parameters={**values, "beta": np.array(BETAS)})
    data["theta_cold"] = cold["theta"]
    if progress:
        progress(1, 2, "runs over β")

    threshold = 1 / (4 * (1 + sigma2))
    grid = {"beta": np.geomspace(0.01, 10.0, resolution), "eta": np.linspace(0.005, 1.15 * threshold, resolution)}
    teacher = xr.DataArray([start, 0.0], dims="teacher", coords={"teacher": ["warm", "cold"]})
    ends = ensemble(flow, {**initial, "xi": teacher}, t_end, parameters={**values, **grid})
    collapsed = (abs(ends["theta"]) < COLLAPSED).astype(np.int8)
    data["collapsed"] = collapsed.drop_vars(("time", "xi0"), errors="ignore").rename(beta="beta_grid", eta="eta_grid")
    if progress:
        progress(2, 2, "map over β and η")
    # On the invariant p = √s the lower equilibrium p₋ is the collapse boundary: η at which it passes the start.
    data["simsiam_boundary"] = min(threshold, start * (1 - (1 + sigma2) * start)) if start < 1 else np.nan
    told = {"sigma2": sigma2, "alpha": 1.0}
    return stamp(data.drop_attrs(), flow=flow.about(), parameters=told, initial=initial, eta=eta, threshold=threshold)


def verdict(data: xr.Dataset) -> Verdict:
    """Say what a slow teacher delays, and how much of the map only a cold teacher loses."""
    beta = data["beta"]
    warm_runs = ", ".join(_grown(data.sel(beta=one), float(one)) for one in (beta[0], beta[-1]))
    below = data["collapsed"].sel(eta_grid=slice(None, data.attrs["threshold"]))
    warm, cold = (float(below.sel(teacher=name).mean()) for name in ("warm", "cold"))
    lost = beta.values[(abs(data["theta_cold"].isel(time=-1)) < COLLAPSED).values]
    detail = (
        f"behind a warm teacher {warm_runs}; "
        f"behind a cold one it dies for β = {', '.join(f'{b:g}' for b in lost) or 'none'}; "
        f"below η_c a warm teacher collapses on {warm:.0%} of the map, a cold one (ξ(0) = 0) on {cold:.0%}"
    )
    headline = f"Below η_c a cold teacher collapses on {cold:.0%} of the map, a warm one on {warm:.0%}"
    return concluded("measured", headline, detail)


def _grown(run: xr.Dataset, beta: float) -> str:
    """When the encoder has half of its growth; or what it does instead."""
    theta = abs(run["theta"]).values
    if theta[-1] < COLLAPSED:
        return f"of rate {beta:g} the encoder dies"
    if theta[-1] <= theta[0]:
        return f"of rate {beta:g} it shrinks to {theta[-1]:.3g}"
    when = float(run["time"][int((theta >= (theta[0] + theta[-1]) / 2).argmax())])
    return f"of rate {beta:g} it has half of its growth to {theta[-1]:.3g} at t = {when:.3g}"


def draw(data: xr.Dataset, figure: Any) -> None:
    """Teacher over encoder and encoder over time for several β; the collapse map of a warm and a cold teacher."""
    lag, growth, plane = panel_row(figure, 3)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["beta"]))
    for shade, beta in zip(shades, data["beta"].values, strict=True):
        one = data.sel(beta=beta).isel(time=slice(1, None))
        lag.plot(one["time"], one["tau"], color=shade)
        growth.plot(one["time"], one["theta"], color=shade, label=f"{beta:g}")
        growth.plot(one["time"], one["theta_cold"], color=shade, linestyle="--", linewidth=1.2)
    for axes in (lag, growth):
        axes.set(xscale="log", xlabel="flow time t")
    lag.axhline(1.0, color="#888888", linewidth=0.8)
    lag.set(title="warm teacher over encoder, τ = ξ/θ", ylabel="τ")
    growth.set(title="encoder: solid warm, dashed cold", ylabel=f"θ at η = {data.attrs['eta']:g}")
    growth.legend(
        title="teacher rate β",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.24),
        ncols=3,
        columnspacing=0.8,
        handlelength=1.8,
    )

    beta, eta, threshold = data["beta_grid"], data["eta_grid"], data.attrs["threshold"]
    warm, cold = (data["collapsed"].sel(teacher=name).transpose("eta_grid", "beta_grid") for name in ("warm", "cold"))
    levels = [-0.5, 0.5, 1.5, 2.5]
    plane.contourf(beta, eta, warm + cold, levels=levels, colors=["#FFFFFF", "#F3C9A5", "#C4C4C4"])
    exact = float(data["simsiam_boundary"])
    for height, colour, style in ((threshold, COLOURS["black"], "--"), (exact, "#003B5C", ":")):
        plane.axhline(height, color=colour, linewidth=1.2, linestyle=style)
    plane.set(xscale="log", xlabel="teacher rate β", ylabel="weight decay η", title="warm ξ(0) = θ(0), cold ξ(0) = 0")
    plane.grid(False)
    for count, words in enumerate(("both learn", "only the cold\none collapses")):
        _name_area(plane, (warm + cold).values == count, beta.values, eta.values, words)
    caption(
        figure,
        data,
        "Scalar system with teacher ξ, equal decay. Right, grey: both collapse, dashed: η_c = 1/(4(1+σ²)), dotted: "
        "exact boundary of a warm SimSiam",
    )


def _name_area(axes: Any, inside: np.ndarray, beta: np.ndarray, eta: np.ndarray, words: str) -> None:
    """Write into an area of the map, where it is farthest from its edge."""
    room = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(room.argmax(), room.shape)
    if room.max() > 0.08 * min(inside.shape):  # else the words would not fit
        axes.text(beta[column], eta[row], words, ha="center", va="center", fontsize=7)


FIGURE = Figure(
    name="ema",
    summary="A teacher by moving average: its rate and its start",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=8.0,
    height=3.5,
    panels=3,
    small={"resolution": 9, "t_end": 400.0},
)
