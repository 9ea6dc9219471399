"""Which features are learned, in which order: strong signals first, weak ones fall to weight decay."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "eigenmodes"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 4.2)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Encoder of every mode over time; thresholds over λ_d; final strength over λ_d for several decays."""
    runs, plane, ends = figure.subplots(1, 3)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["mode"]))
    eta = provenance(data)["parameters"]["eta"]
    learned = abs(data["w"].isel(time=-1)) > 1e-3
    for shade, mode in zip(shades, data["mode"].values, strict=True):
        one = data.sel(mode=mode)
        runs.plot(one["time"][1:], one["w"][1:], color=shade, label=f"{float(one['lambda_d']):g}")
        marker = {"markerfacecolor": shade if learned.sel(mode=mode) else "white"}
        plane.plot(float(one["lambda_d"]), eta, "o", markersize=8, markeredgecolor=shade, zorder=4, **marker)
    runs.set(xscale="log", xlabel="flow time t", ylabel="encoder w of the mode", title="modes over time")
    runs.legend(title="signal λ_d", fontsize=8, loc="upper left")

    fine, threshold = data["lambda_fine"], data["eta_threshold"]
    plane.plot(fine, threshold, color=COLOURS["black"])
    plane.fill_between(fine, threshold, 10.0, color="#EFE0D6", zorder=0)
    plane.annotate("no equilibrium but 0", (0.05, 0.9), xycoords="axes fraction", fontsize=9)
    plane.annotate("η_c = λ_d²/(4λ_s)", (0.97, 0.1), xycoords="axes fraction", fontsize=9, ha="right")
    plane.set(xscale="log", yscale="log", xlabel="signal λ_d", ylabel="weight decay η")
    plane.set_ylim(float(threshold.min()), 2.5 * float(threshold.max()))
    plane.set_title("filled: learned, open: lost")

    styles = ("-", "--", "-.", ":")
    for style, value in zip(styles, data["eta"].values, strict=True):
        ends.plot(fine, abs(data["w_end"].sel(eta=value)), color=COLOURS["black"], linestyle=style, label=f"{value:g}")
    ends.set(xscale="log", xlabel="signal λ_d", ylabel="|w| at the end", title="what is left of a mode")
    ends.legend(title="weight decay η", fontsize=8)
    caption(
        figure,
        data,
        f"Aligned modes of a linear encoder with stop-gradient, white augmentation noise {data.attrs['noise']:g} "
        "(λ_s = λ_d + noise), equal decay of predictor and encoder. The decay is a filter: it removes every mode "
        "beyond its threshold, and within it one that starts too small",
    )
