"""A faster predictor: φ reaches its slow manifold sooner, and θ's growth pays for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE

EXPERIMENT = "predictor-ratio"
OPTIONS: dict[str, Any] = {}
SIZE = (9.6, 4.3)


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
