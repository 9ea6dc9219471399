"""JEPA against MAE: predicting features favours what views leave alone, predicting the input what is strong."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "jepa-vs-mae"
OPTIONS: dict[str, Any] = {}
SIZE = (11.5, 7.6)

LOOK = {
    "jepa": {"color": COLOURS["blue"], "linestyle": "-"},
    "mae": {"color": COLOURS["vermilion"], "linestyle": "--"},
}
STYLES = ("-", "--", "-.", ":")


def draw(data: xr.Dataset, figure: Any) -> None:
    """Features over time under both; their ends; who is delayed by noise, and who wins a contest."""
    (jepa, mae, ends), (delay, depth, contest) = figure.subplots(2, 3)
    deepest = data.attrs["deepest"]
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["rho"]))
    for axes, objective, power in ((jepa, "jepa", "ρ^L"), (mae, "mae", "ρ^(L/(L+1))")):
        one = data.sel(objective=objective)
        for shade, style, rho in zip(shades, STYLES, data["rho"].values, strict=True):
            run = one.sel(rho=rho)
            axes.plot(run["time"], run["w"], color=shade, linestyle=style, label=f"{rho:g}")
            half = float(run["measured_time"].sel(depth=deepest))
            axes.plot(half, float(run["measured_end"].sel(depth=deepest)) / 2, "o", color=shade, markersize=5)
        axes.set(xlim=(0, one["time"][-1]), ylim=(0, 1), xlabel="flow time t", ylabel="encoder w of the feature")
        axes.set_title(f"{objective.upper()}, L = {deepest}: w → {power}")
    jepa.legend(title="robustness ρ", fontsize=8, loc="upper left")

    fine = data["rho_fine"]
    tones = colormaps[SEQUENCE](np.linspace(0.85, 0.0, data.sizes["depth"]))
    for objective, style in (("jepa", "-"), ("mae", "--")):
        one = data.sel(objective=objective)
        for tone, layers in zip(tones, data["depth"].values, strict=True):
            told = one.sel(depth=layers)
            named = {"label": f"{layers:g}"} if objective == "jepa" else {}
            ends.plot(fine, told["end"], color=tone, linestyle=style, linewidth=1.5, **named)
            ends.plot(data["rho"], told["measured_end"], "o", color=tone, markersize=4, markerfacecolor="white")
            delay.plot(fine, told["handicap"], color=tone, linestyle=style, linewidth=1.5)
            ratio = told["measured_time"] / told["measured_time"].sel(rho=float(data["rho"].max()))
            delay.plot(data["rho"], ratio, "o", color=tone, markersize=4, markerfacecolor="white")
    ends.set(xlabel="robustness ρ", ylabel="w at the end", title="ends: solid JEPA, dashed MAE")
    ends.set_ylim(0, 1)
    ends.legend(title="depth L", fontsize=8, loc="lower right", ncols=2)
    delay.axhline(1.0, color=COLOURS["grey"], linewidth=0.8, zorder=1)
    delay.set(xlabel="robustness ρ", ylabel="handicap", title="handicap of noise: solid JEPA, dashed MAE")

    for style, start in zip(STYLES, data["start"].values, strict=False):
        for objective, look in LOOK.items():
            curve = data["handicap_over_depth"].sel(objective=objective, start=start)
            label = f"JEPA, {start:g}" if objective == "jepa" else None
            if objective == "mae" and start == data["start"].values[0]:
                label = "MAE, the same"
            depth.plot(data["layers"], curve, color=look["color"], linestyle=style, linewidth=1.5, label=label)
    depth.axhline(1.0, color=COLOURS["grey"], linewidth=0.8, zorder=1)
    depth.set(xlabel="depth L", ylabel="handicap", title=f"handicap of ρ = {float(data['rho'].min()):g}")
    depth.legend(title="start w(0)", fontsize=8, loc="upper left")

    marks = ("o", "s")
    for objective, look in LOOK.items():
        one = data.sel(objective=objective)
        learned = one["contest_time"] / one["contest_time"][0]
        for index, feature in enumerate(data["feature"].values):
            width = {"linewidth": 2.4 if index else 1.2}
            label = f"{objective.upper()}: {feature}"
            contest.plot(data["pace"], one["contest"].sel(feature=feature), **look, **width, label=label)
            contest.plot(float(learned[index]), 0.5, marks[index], color=look["color"], markersize=6, zorder=4)
    contest.set(xlim=(0, 2), xlabel="time, in that of the strong one", ylabel="w as a share of its end")
    contest.set_title(f"a contest, L = {deepest}")
    contest.set(ylim=(-0.03, 1.38), yticks=np.linspace(0, 1, 6))
    contest.legend(fontsize=7.5, loc="upper left", ncols=2, columnspacing=1.0)
    strong, weak = provenance(data)["contest"].values()
    caption(
        figure,
        data,
        "One mode of a balanced deep linear network each; ρ is the share of a feature's input variance that the two "
        "views have in common. Features of one λ_d = 1 differ in ρ; a feature is learned (dots) at half of its own "
        "end. Handicap: how many times stronger a feature must be to be learned as early as one of ρ = "
        f"{float(data['rho'].max()):g}. Lines: closed form, circles: integrated runs. Contest: λ_d = {strong[0]:g}, "
        f"ρ = {strong[1]:g} (thin, circle) against λ_d = {weak[0]:g}, ρ = {weak[1]:g} (thick, square). Depth "
        "counts through the layers' own start w(0)^(1/L): the smaller it is, the less ρ delays a feature; curves stop "
        "where it starts above a quarter of its end",
    )
