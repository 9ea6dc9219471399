"""Alternating optimisation: without a predictor noise eats every mode; with one it ends elsewhere than the flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import BRANCH_STYLE, COLOURS, SEQUENCE

EXPERIMENT = "alternating"
OPTIONS: dict[str, Any] = {}
SIZE = (11.8, 7.8)

STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
ORDERS = {"φ first": {"color": COLOURS["blue"], "marker": "o"}, "θ first": {"color": COLOURS["orange"], "marker": "s"}}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Modes without predictor, their shares, k steps per target; modes with one, the toy's paths and ends."""
    (modes, share, pace), (kept, plane, ends) = figure.subplots(2, 3)
    noise, rounds = data.attrs["noise"], data["round"]
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["mode"]))
    for shade, style, mode in zip(shades, STYLES, data["mode"].values, strict=False):
        one = data.sel(mode=mode)
        signal = float(one["lambda_d"])
        modes.plot(rounds, (signal / (signal + noise)) ** rounds, color=shade, linestyle=style, label=f"{signal:g}")
        modes.plot(rounds[::4], one["w"][::4], "o", color=shade, markersize=4, markerfacecolor="white")
        share.plot(rounds, one["share"], color=shade, linestyle=style)
    modes.set(yscale="log", ylim=(1e-6, 60), xlabel="round of exact alternation", ylabel="encoder w of the mode")
    modes.set_title("no predictor: w ← w·λ_d/λ_s")
    modes.legend(title="signal λ_d", fontsize=8, loc="upper center", ncols=5, handlelength=1.4, columnspacing=0.9)
    share.set(xlabel="round of exact alternation", ylabel="share of w²", ylim=(0, 1.02))
    share.set_title("in shares: the most robust mode")

    tones = colormaps[SEQUENCE](np.linspace(0.0, 0.8, data.sizes["h"]))
    fine, view = np.geomspace(1, float(data["k"][-1]), 200), data.attrs["view"]
    for tone, style, h in zip(tones, STYLES, data["h"].values, strict=False):
        factor = 1 / view + (1 - 1 / view) * (1 - h * view) ** fine
        pace.plot(fine, -np.log(factor) / (fine * h * (view - 1)), color=tone, linestyle=style, label=f"h = {h:g}")
        pace.plot(data["k"], data["pace"].sel(h=h), "o", color=tone, markersize=4, markerfacecolor="white")
    pace.axhline(1.0, color=COLOURS["grey"], linewidth=0.9)
    pace.annotate("the flow", (0.98, 1.0), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9)
    pace.set(
        xscale="log", xlabel="gradient steps k per target", ylabel="rate of decay over the flow's", ylim=(0, 1.25)
    )
    pace.set_xticks(data["k"].values, [str(k) for k in data["k"].values])
    pace.minorticks_off()
    pace.set_title("no predictor, k steps: slower, not safe")
    pace.legend(fontsize=8, loc="lower left")

    kept.plot(data["lambda_d"], data["w"].isel(round=-1), "x--", color=COLOURS["vermilion"], label="no predictor")
    for order, look in ORDERS.items():
        last = data["w_with_predictor"].sel(order=order).isel(round=-1)
        kept.plot(data["lambda_d"], last, linestyle="-", **look, markersize=5, label=f"predictor, {order}")
    kept.set(xscale="log", xlabel="signal λ_d", ylabel=f"w after {int(rounds[-1])} rounds", ylim=(-0.05, None))
    ticks = sorted(data["lambda_d"].values)
    kept.set_xticks(ticks, [f"{value:g}" for value in ticks])
    kept.minorticks_off()
    kept.set_title("a predictor keeps every mode")
    kept.legend(fontsize=8, loc="center left", bbox_to_anchor=(0.0, 0.42))

    _paths(plane, data)
    _ends(ends, data)
    phi, theta = data["path"].isel(case=0, order=0, block=0).values
    caption(
        figure,
        data,
        f"Upper row: linear encoder, no predictor, targets η optimal, w(0) = 1, λ_s = λ_d + {noise:g} (right: λ_d = "
        f"1, λ_s = {view:g}); lines: derived, circles: run. Lower row: with predictor; left from p = {phi:g}, w = 1. "
        "Middle: one block after the other to its exact minimum, stop-gradients held meanwhile. Right: the toy from "
        f"θ(0) = {theta:g}; thin: small gradient steps, which follow the flow. Exact alternation keeps `stop` alive "
        "from every start with φ(0) ≠ 0; `full` depends on the order, and with noise it collapses in both",
    )


def _paths(axes: Any, data: xr.Dataset) -> None:
    """Blocks as arrows of an orbit in the plane, with and without stop-gradient."""
    axes.axvline(1.0, color=COLOURS["grey"], linewidth=0.9)
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.9)
    shifts = {("stop", "φ first"): 0.0015, ("full", "φ first"): -0.0015}  # both go the same way
    for case in ("stop", "full"):
        for order, look in ORDERS.items():
            path = data["path"].sel(case=case, order=order).values
            path = path + np.array([0.0, shifts.get((case, order), 0.0)])
            dashes = BRANCH_STYLE[case]["linestyle"]
            axes.plot(*path.T, color=look["color"], linestyle=dashes, linewidth=1.8, label=f"{case}, {order}")
            axes.plot(*path[-1], look["marker"], color=look["color"], markersize=7, zorder=4)
    start = data["path"].isel(case=0, order=0, block=0).values
    axes.plot(*start, "o", color=COLOURS["black"], markersize=6, zorder=5)
    for (x, y), words, offset in (
        ((1.0, 0.1), "(1, 0.1)", (6, -4)),
        ((1.0, 1 / 6), "(1, 1/6)", (6, -2)),
        ((0.6, 0.0), "θ = 0", (6, 5)),
    ):
        axes.annotate(words, (x, y), xytext=offset, textcoords="offset points", fontsize=9)
    axes.set(xlim=(0.5, 1.18), ylim=(-0.012, 0.24), xlabel="predictor φ", ylabel="encoder θ")
    axes.set_title("the toy, block by block")
    axes.legend(fontsize=7.5, loc="upper left")


def _ends(axes: Any, data: xr.Dataset) -> None:
    """|θ| at the end over φ(0)."""
    for case in ("stop", "full"):
        dashes = BRANCH_STYLE[case]["linestyle"]
        for order, look in ORDERS.items():
            end = abs(data["theta_end"].sel(case=case, order=order))
            axes.plot(data["phi_start"], end, color=look["color"], linestyle=dashes, linewidth=1.8)
        descent = abs(data["theta_descent"].sel(case=case))
        axes.plot(data["phi_start"], descent, color=COLOURS["black"], linestyle=dashes, linewidth=0.9)
    theta = float(data["path"].isel(case=0, order=0, block=0, coordinate=1))
    for place, words, colour in (
        ((0.17, 1.2), "θ first, stop: θ(0)/φ(0)", "#8A5E00"),
        ((0.6, 0.92), "small steps, stop", COLOURS["black"]),
        ((0.05, theta + 0.015), "φ first, both", COLOURS["blue"]),
        ((0.05, 0.015), "θ first, full", "#8A5E00"),
    ):
        axes.annotate(words, place, fontsize=8, color=colour, va="bottom")
    axes.set(xlabel="start φ(0)", ylabel="|θ| at the end", ylim=(-0.03, 1.3), title="solid: stop, dashed: full")
