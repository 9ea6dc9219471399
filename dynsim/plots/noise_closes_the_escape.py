"""Without stop-gradient the noiseless toy can escape collapse; noise closes the escape."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE

EXPERIMENT = "noise-closes-the-escape"
OPTIONS: dict[str, Any] = {}
SIZE = (9.6, 4.0)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Escape region of the noiseless toy with the orbits over it; θ over time against the proven bound."""
    plane, decay = figure.subplots(1, 2)
    plane.contourf(
        data["phi_grid"], data["theta_grid"], data["escape"].T, levels=[-1e9, 0, 1e9], colors=["#FFFFFF", "#CFE3EF"]
    )
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["sigma2"]))
    for shade, sigma2 in zip(shades, data["sigma2"].values, strict=True):
        one = data.sel(sigma2=sigma2)
        plane.plot(one["phi"], one["theta"], color=shade)
        decay.plot(one["time"], one["theta"], color=shade, label=f"{sigma2:g}")
        if sigma2 > 0:
            bound = float(one["theta"][0]) * np.exp(-sigma2 * one["time"])
            decay.plot(one["time"], bound, color=shade, linewidth=0.9, linestyle=":")
    plane.plot(data["phi"][0, 0], data["theta"][0, 0], "o", color=COLOURS["black"], markersize=5)
    plane.annotate("escapes without noise", (1.0, 1.2), ha="center", fontsize=9)
    plane.annotate("collapses", (-0.3, 0.35), ha="center", fontsize=9)
    plane.annotate("collapses", (2.3, 0.35), ha="center", fontsize=9)
    plane.set(xlabel="φ (predictor)", ylabel="θ (encoder)", title="branch full: noiseless escape region, orbits")
    decay.set(yscale="log", xlabel="flow time t", ylabel="θ", title="θ under noise (dotted: |θ₀|e^(−σ²t))")
    decay.set_ylim(1e-6, 2)
    decay.legend(title="σ²", fontsize=8)
    caption(
        figure,
        data,
        "Scalar system without stop-gradient, no weight decay. Escape without noise: α θ₀² > (1 − φ₀)², exact. "
        "So stop-gradient is not needed in every noiseless toy, but with augmentation noise the full gradient always "
        "collapses",
    )
