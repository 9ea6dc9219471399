"""The teacher's rate: a slow teacher is a curriculum; a cold one collapses where a warm one learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE

EXPERIMENT = "ema"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 4.2)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Teacher over encoder and encoder over time for several β; the collapse map of a warm and a cold teacher."""
    lag, growth, plane = figure.subplots(1, 3)
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
    growth.legend(title="teacher rate β", fontsize=8, loc="upper left")

    beta, eta, threshold = data["beta_grid"], data["eta_grid"], data.attrs["threshold"]
    warm, cold = (data["collapsed"].sel(teacher=name).transpose("eta_grid", "beta_grid") for name in ("warm", "cold"))
    levels = [-0.5, 0.5, 1.5, 2.5]
    plane.contourf(beta, eta, warm + cold, levels=levels, colors=["#FFFFFF", "#F3C9A5", "#C4C4C4"])
    exact = float(data["simsiam_boundary"])
    for height, words, colour, style in (
        (threshold, "η_c = 1/(4(1+σ²))", COLOURS["black"], "--"),
        (exact, "exact boundary of a warm SimSiam", "#003B5C", ":"),
    ):
        plane.axhline(height, color=colour, linewidth=1.2, linestyle=style)
        place = {"xytext": (0, 1), "textcoords": "offset points", "ha": "right", "va": "bottom", "fontsize": 8}
        plane.annotate(words, (0.98, height), xycoords=("axes fraction", "data"), color=colour, **place)
    for words, height in (("both collapse", 0.94), ("only the cold\nteacher collapses", 0.55), ("both learn", 0.1)):
        plane.annotate(words, (0.2, height), xycoords="axes fraction", ha="center", va="center", fontsize=9)
    plane.set(xscale="log", xlabel="teacher rate β", ylabel="weight decay η", title="warm ξ(0) = θ(0), cold ξ(0) = 0")
    plane.grid(False)
    caption(
        figure,
        data,
        "Scalar system with teacher ξ, equal decay of predictor and encoder. A growing encoder leaves its teacher "
        "behind (τ < 1), which holds growth back: an automatic curriculum with the same end. A teacher started at "
        "zero is behind from the beginning, and a slow one is too late: the encoder has decayed",
    )
