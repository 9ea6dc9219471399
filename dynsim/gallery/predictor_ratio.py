"""A faster predictor: φ reaches its slow manifold sooner, and θ's growth pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system

ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    alphas: Any = ALPHAS,
    t_end: float = 100.0,
) -> xr.Dataset:
    """Integrate the toy with stop-gradient for every α; `theta_limit` is exact, on a finer grid."""
    flow = find_system("toy")
    start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
    times = np.concatenate([[0.0], np.geomspace(t_end / 1e4, t_end, 300)])
    parts = []
    for index, alpha in enumerate(alphas):
        data = solve(flow, start, times=times, parameters={"alpha": alpha}, method="LSODA")
        data["relative_speed_ratio"] = timescales(flow, data)["relative_speed_ratio"]
        parts.append(data.drop_attrs())
        if progress:
            progress(index + 1, len(alphas), f"α = {alpha:g}")
    data = xr.concat(parts, xr.DataArray(np.asarray(alphas, float), dims="alpha", name="alpha"))
    fine = np.geomspace(min(alphas), max(alphas), 121)
    ends = [float(outcome(flow, start, {"alpha": float(value)}).limit["theta"]) for value in fine]
    data["theta_limit"] = ("alpha_fine", ends)
    data = data.assign_coords(alpha_fine=fine)
    return stamp(data, flow=flow.about(), parameters={}, initial=start)


def verdict(data: xr.Dataset) -> str:
    """Say how the end of θ depends on α."""
    theta = data["theta_limit"]
    slow, fast = float(theta[0]), float(theta[-1])
    shift = "falls" if fast < slow else "rises"
    alphas = data["alpha_fine"]
    return (
        f"θ∞ {shift} from {slow:.4g} at α = {float(alphas[0]):g} to {fast:.4g} at α = {float(alphas[-1]):g}: "
        "a faster predictor leaves the encoder less to grow"
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Orbits in the phase plane, speed ratio over time, and the exact θ∞ over α."""
    plane, speed, ends = figure.subplots(1, 3)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["alpha"]))
    for shade, alpha in zip(shades, data["alpha"].values, strict=True):
        one = data.sel(alpha=alpha)
        plane.plot(one["phi"], one["theta"], color=shade, label=f"{alpha:g}")
        plane.plot(one["phi"][-1], one["theta"][-1], "o", color=shade, markersize=5)
        speed.plot(one["time"][1:], one["relative_speed_ratio"][1:], color=shade)
    plane.axvline(1.0, color=COLOURS["black"], linewidth=1.2, linestyle="--")
    plane.set(xlabel="φ (predictor)", ylabel="θ (encoder)", title="orbits, one per α")
    figure.legend(*plane.get_legend_handles_labels(), title="α", loc="outside upper center", ncols=len(shades))
    speed.set(xscale="log", yscale="log", xlabel="flow time t", title="relative speed of φ over θ")
    speed.axhline(1.0, color="#888888", linewidth=0.8)
    ends.plot(data["alpha_fine"], data["theta_limit"], color=COLOURS["black"])
    last = data.isel(time=-1)
    ends.scatter(data["alpha"], last["theta"], c=shades, zorder=3, label="integrated")
    ends.set(xscale="log", yscale="log", xlabel="α", ylabel="θ∞", title="exact θ∞ = √(θ₀² + (1 − φ₀²)/α)")
    ends.annotate("dots: integrated", (0.96, 0.92), xycoords="axes fraction", ha="right", fontsize=8)
    caption(
        figure,
        data,
        "Scalar toy with stop-gradient; α multiplies the predictor's gradient. Dashed: the slow manifold φ = 1. A "
        "fast predictor does not help the encoder here: it stops its growth early",
    )


FIGURE = Figure(
    name="predictor-ratio",
    summary="Faster and slower predictors: runs over the ratio of rates",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=1.0,
    size=(9.6, 4.3),
)
