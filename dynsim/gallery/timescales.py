"""All measures of fast and slow over time, in the three branches of the toy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.style import BRANCH_STYLE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.systems.catalogue import system as find_system


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 40.0,
) -> xr.Dataset:
    """Measure the toy in every branch; dimensions `branch` and `time`."""
    parts = []
    for branch in BRANCHES:
        flow = find_system("toy", branch=branch)
        start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
        data = solve(flow, start, t_end, parameters=parameters)
        parts.append(xr.merge([data, timescales(flow, data)], combine_attrs="drop"))
    data = xr.concat(parts, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    return stamp(
        data,
        flow={"name": "toy", "states": list(flow.states), "roles": flow.roles, "reference": flow.reference},
        parameters=flow.field(parameters).about["parameters"],
        initial=start,
    )


def verdict(data: xr.Dataset) -> str:
    """Say which variable is the fast one by each measure, at the start and over the run."""
    start = data["relative_speed_ratio"].isel(time=0)
    ratios = ", ".join(f"{b} 1/{1 / float(start.sel(branch=b)):.3g}" for b in data["branch"].values)
    slower = bool((start < 1).all())
    who = (
        "the encoder is the faster variable in all three branches"
        if slower
        else "the predictor is not slower everywhere"
    )
    growing = float(np.gradient(data["theta"].sel(branch="stop").values)[0]) > 0
    sign = "only with stop-gradient does θ grow" if growing else "θ shrinks even with stop-gradient"
    return f"relative speed of φ over θ at the start: {ratios}; {who}; {sign}"


def draw(data: xr.Dataset, figure: Any) -> None:
    """Eight panels, one measure or two each; line style and colour tell the branch."""
    axes = figure.subplots(2, 4, sharex=False)
    time = data["time"].values
    for branch in data["branch"].values:
        style, one = BRANCH_STYLE[str(branch)], data.sel(branch=branch)
        axes[0, 0].plot(time, _positive(one["relative_speed_ratio"]), label=str(branch), **style)
        axes[0, 1].plot(time, _positive(one["absolute_speed_ratio"]), **style)
        gap = one["eigenvalue_gap"].where(one["line_of_equilibria"] == 0)
        axes[0, 2].plot(time, gap, **style)
        axes[0, 3].plot(time, _positive(one["slow_manifold_distance"]), **style)
        axes[1, 0].plot(time, one["theta"] / float(one["theta"][0]), **style)
        axes[1, 1].plot(time, 1e3 * one["loss_share_theta"], **style)
        axes[1, 1].plot(time, 1e3 * one["loss_share_phi"], **style, alpha=0.45, linewidth=1.2)
        for mode, width in ((0, 1.2), (-1, 1.8)):
            axes[1, 2].plot(time, one["eigenvalue"].isel(mode=mode), **style, linewidth=width)
    titles = (
        (
            "relative speed (|φ'|/|φ|)/(|θ'|/|θ|)",
            "absolute speed |φ'|/|θ'|",
            "eigenvalue gap |λ|max/|λ|min",
            "distance to the slow manifold |φ − φ*|",
        ),
        (
            "θ(t)/θ(0)",
            "parts of dl/dt ×10³: θ (thick), φ (thin)",
            "eigenvalues (real parts): fastest decay thick",
            "times of displacement",
        ),
    )
    for row, names in zip(axes, titles, strict=True):
        for panel, title in zip(row, names, strict=True):
            panel.set_title(title, fontsize=9.5)
            panel.set_xlabel("flow time t")
    for panel in (*axes[0], axes[1, 0]):
        panel.set_yscale("log")
    for panel in (axes[0, 0], axes[0, 1]):
        panel.axhline(1, color="#888888", linewidth=0.8)
        panel.annotate(
            "φ faster ↑", (0.98, 1), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
        )
    for panel in axes[1, 1:3]:
        panel.axhline(0, color="#888888", linewidth=0.8)
        panel.set_xlim(0, min(20.0, float(time[-1])))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3) if hasattr(
        figure, "legend"
    ) else axes[0, 0].legend()
    _draw_displacement_times(data, axes[1, 3])
    caption(
        figure,
        data,
        _who_is_fast(data),
        "The eigenvalue gap ends where one eigenvalue is zero: every branch ends on a line of equilibria, where a gap "
        "says nothing. φ*: where φ would rest if θ stood still, here 1; a run that collapses never gets there",
        "Not shown by the toy: that real predictors are fast; there it is a knob (α)",
    )


def _who_is_fast(data: xr.Dataset) -> str:
    """Say which block is the faster one at the start, and what the sign of θ' is."""
    slow = data["relative_speed_ratio"].isel(time=0) < 1
    if bool(slow.all()):
        return (
            "At this start the encoder θ is the faster variable by the relative measure in all three branches; what "
            "stop-gradient changes is the sign of θ', not who is fast"
        )
    fast = [str(branch) for branch, is_slow in zip(data["branch"].values, slow.values, strict=True) if not is_slow]
    return f"At this start the predictor φ is the faster variable by the relative measure in: {', '.join(fast)}"


def _positive(values: xr.DataArray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _draw_displacement_times(data: xr.Dataset, axes: Any) -> None:
    """Half-life and 90 % time of φ and θ, per branch."""
    measures = (
        ("half_life_phi", "φ ½"),
        ("half_life_theta", "θ ½"),
        ("time90_phi", "φ 90 %"),
        ("time90_theta", "θ 90 %"),
    )
    branches = [str(branch) for branch in data["branch"].values]
    for row, branch in enumerate(branches):
        for column, (name, _) in enumerate(measures):
            value = float(data[name].sel(branch=branch))
            axes.plot(
                value,
                row + 0.15 * (column % 2 * 2 - 1),
                marker="os"[column // 2],
                markersize=7,
                color=BRANCH_STYLE[branch]["color"],
                markerfacecolor="white" if column % 2 == 0 else None,
                linestyle="none",
            )
    axes.set_yticks(range(len(branches)), branches)
    axes.set_ylim(-0.6, len(branches) - 0.4)
    axes.invert_yaxis()
    for marker, label in (("o", "half-life"), ("s", "90 % time")):
        axes.plot([], [], marker, color="#555555", label=label)
    axes.legend(fontsize=8, loc="lower right", title="open φ, filled θ", title_fontsize=8)


FIGURE = Figure(
    name="timescales",
    summary="Measures of fast and slow over time, in the three branches",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=0.5,
    size=(12.8, 7.2),
)
