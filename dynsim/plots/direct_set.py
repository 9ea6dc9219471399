"""DirectPred and DirectCopy: a predictor that is set keeps the threshold of a learned one and moves its boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "direct-set"
OPTIONS: dict[str, Any] = {}
SIZE = (11.8, 7.8)

TITLES = {"direct-pred": "DirectPred, P = (WWᵀ)^½", "direct-copy": "DirectCopy, P = WWᵀ"}
POWER = {"direct-pred": 0.5, "direct-copy": 1.0}
TICKS, DECAYS = (0.2, 0.5, 1.0, 2.0), (0.03, 0.1, 0.3)
STYLES = ("-", "--", "-.", ":")
PREDICTORS: tuple[dict[str, Any], ...] = (
    {"color": COLOURS["blue"], "linestyle": "-", "label": "DirectPred"},
    {"color": COLOURS["vermilion"], "linestyle": "--", "label": "DirectCopy"},
    {"color": COLOURS["black"], "linestyle": "none", "marker": "o", "markersize": 3.5, "markerfacecolor": "none",
     "markevery": 8, "label": "learned, p(0) = w(0)"},
    {"color": COLOURS["green"], "linestyle": "-.", "label": "learned, p(0) = w(0)/5"},
)  # fmt: skip


def draw(data: xr.Dataset, figure: Any) -> None:
    """Outcome maps of both rules; boundary and threshold, exact and measured; features over time and at the end."""
    (pred, copy, boundary), (threshold, runs, ends) = figure.subplots(2, 3)
    for axes, variant in ((pred, "direct-pred"), (copy, "direct-copy")):
        _map(axes, data, variant)
    copy.legend(fontsize=7.5, loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")

    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["a"]))
    for shade, style, a in zip(shades, STYLES, data["a"].values, strict=True):
        one = data.sel(a=a)
        boundary.plot(data["decay_fine"], one["lower"], color=shade, linestyle=style, label=f"{a:g}")
        boundary.plot(data["decay_fine"], one["upper"], color=shade, linestyle=style, linewidth=0.8)
        boundary.plot(data["decay"], one["measured_boundary"], "o", color=shade, markersize=5, markerfacecolor="white")
        threshold.plot(data["signal"], one["measured_threshold"], _marker(a), color=shade, markersize=9 - 2 * a)
    boundary.axvline(data.attrs["threshold_at_one"], color=COLOURS["grey"], linewidth=0.9, linestyle="--")
    boundary.set(xlabel="weight decay η_s", ylabel="s", ylim=(0, 1.02), title="boundary s₋ (thick) and end s₊ (thin)")
    boundary.legend(title="power a", fontsize=8, loc="center left", bbox_to_anchor=(0.0, 0.42))
    threshold.plot(data["signal"], data["threshold"], color=COLOURS["black"], linewidth=1.2, zorder=1, label="exact")
    threshold.set(xscale="log", yscale="log", xlabel="signal λ_d", ylabel="largest η_s a mode survives")
    threshold.annotate("λ_d²/(4λ_s)", (0.6, 0.35), xycoords="axes fraction", fontsize=10)
    threshold.set_title("threshold: markers measured, any a")

    for look, predictor in zip(PREDICTORS, data["predictor"].values, strict=True):
        for width, feature in zip((2.0, 1.4, 0.9), data["feature"].values, strict=True):
            run = data["s"].sel(predictor=predictor, feature=feature).isel(time=slice(1, None))
            runs.plot(data["time"][1:], run, **{"linewidth": width, **look, "label": None})
        ends.plot(data["signal_fine"], data["s_end"].sel(predictor=predictor), **{"linewidth": 1.6, **look})
    features = ", ".join(f"{float(value):g}" for value in data["feature"])
    runs.set(
        xscale="log", xlabel="flow time t", ylabel="s", ylim=(-0.02, 1), title=f"λ_d = {features} (thick to thin)"
    )
    ends.set(
        xscale="log", xlabel="signal λ_d", ylabel="s at the end", ylim=(-0.02, 1.02), title="which features are kept"
    )
    ends.legend(fontsize=8, loc="upper left")
    for axes in (threshold, ends):
        axes.set_xticks(TICKS, [f"{value:g}" for value in TICKS])
        axes.minorticks_off()
    threshold.set_yticks(DECAYS, [f"{value:g}" for value in DECAYS])
    eta = provenance(data)["parameters"]["eta_s"]
    caption(
        figure,
        data,
        f"One mode s of WWᵀ, λ_s = λ_d + {data.attrs['noise']:g}, stop-gradient; predictor set to s^a. Maps and "
        "boundary for λ_d = 1; circles and markers: found by halving intervals of runs; lines: closed form. "
        f"Lower row, middle and right: η_s = {eta:g}, all started at the same s; the learned predictor has the decay "
        "η_p = η_s. Started at p = w it is DirectPred; DirectCopy asks for a larger start",
    )


def _marker(a: float) -> str:
    return {0.25: "o", 0.5: "s", 1.0: "^", 2.0: "x"}.get(float(a), "D")


def _map(axes: Any, data: xr.Dataset, variant: str) -> None:
    """What survives, by runs, under the exact curves."""
    one = data["survives"].sel(variant=variant)
    axes.contourf(
        data["eta_grid"], data["start_grid"], one, levels=[-0.5, 0.5, 1.5], colors=["#C9C9C9", "#FFFFFF"], zorder=0
    )
    a = POWER[variant]
    lower, upper = (data[name].sel(a=a) for name in ("lower", "upper"))
    axes.plot(data["decay_fine"], lower, color=COLOURS["blue"], linewidth=1.6, label="s₋, exact")
    axes.plot(data["decay_fine"], upper, color=COLOURS["green"], linewidth=1.6, linestyle="-.", label="s₊, exact")
    limit = data.attrs["threshold_at_one"]
    axes.axvline(limit, color=COLOURS["vermilion"], linewidth=1.2, linestyle="--", label="λ_d²/(4λ_s)")
    axes.annotate("survives", (0.24, 0.4), xycoords="axes fraction", fontsize=10, ha="center")
    axes.annotate("collapses", (0.93, 0.3), xycoords="axes fraction", fontsize=10, ha="center", rotation=90)
    axes.set(xlabel="weight decay η_s", ylabel="start s(0)", ylim=(0, 1), title=TITLES[variant])
    axes.set_xlim(0, float(data["eta_grid"][-1]))
    axes.grid(False)
