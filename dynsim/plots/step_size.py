"""The step size: rest, period doubling, chaos, collapse, divergence; and the bound that says when."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE

EXPERIMENT = "step-size"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 4.2)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Attractor of the map over the step, for the line of equilibria and for a point; the bound over η and σ²."""
    line, point, bound = figure.subplots(1, 3)
    h = data["lr"].values
    for axes, name in ((line, "toy_theta"), (point, "theta")):
        orbit = abs(data[name])
        axes.plot(h, orbit.values, ".", color=COLOURS["black"], markersize=1.7, markeredgewidth=0, rasterized=True)
        period = data["toy_period" if name == "toy_theta" else "period"].values
        gone = h[period < 0]
        if gone.size:
            axes.axvspan(gone[0], h[-1], color="#EFE0D6", zorder=0)
            axes.annotate("diverges", (0.99, 0.96), xycoords="axes fraction", ha="right", va="top", fontsize=9)
        axes.set(xlim=(0, h[-1]), ylim=(-0.02, 1.45), xlabel="step size h", ylabel="|θ| after thousands of steps")
    line.plot(h, np.sqrt(2 / h), color=COLOURS["vermilion"], label="bound: h = 2/θ²")
    line.axhline(float(data["toy_flow"]), color=COLOURS["blue"], linewidth=1.2, linestyle="--", label="the flow: θ∞")
    line.legend(fontsize=8, loc="lower left")
    line.set_title("toy: a line of equilibria")
    limit = float(data["diagram_bound"])
    point.axvline(limit, color=COLOURS["vermilion"], label=f"bound: h = {limit:.3g}")
    point.legend(fontsize=8, loc="lower left")
    point.set_title(f"with decay η = {data.attrs['eta']:g}: one equilibrium")

    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.8, data.sizes["sigma2"]))
    for shade, style, sigma2 in zip(shades, ("-", "--", "-."), data["sigma2"].values, strict=False):
        one = data.sel(sigma2=sigma2)
        bound.plot(data["eta"], one["bound"], color=shade, linestyle=style, label=f"{sigma2:g}")
        bound.plot(data["eta"], one["first"], "o", color=shade, markersize=4, markerfacecolor="white")
    bound.set(xlabel="weight decay η", ylabel="largest stable step", title="line: linearised, circles: iterated")
    bound.legend(title="noise σ²", fontsize=8)
    caption(
        figure,
        data,
        "Gradient descent with stop-gradient, y ← y + h·f(y). On the toy's line every point has its own bound; beyond "
        "it the orbit hops about the line and never rests. With weight decay one equilibrium is left and doubles its "
        "period. In both, chaos ends where it touches θ = 0: larger steps collapse, still larger ones diverge. "
        "Middle: scalar system without noise, start φ = θ = 0.8; right: started next to the equilibrium",
    )
