"""All measures of fast and slow over time, in the three branches of the toy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption, measure
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.who_is_fast import AHEAD, stated_order
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

FLOOR = 1e-9  # what is smaller is rounding of the integration and is not drawn


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 60.0,
) -> xr.Dataset:
    """Measure the toy in every branch; dimensions `branch` and `time`."""
    parts = []
    for branch in BRANCHES:
        flow = find_system("toy", branch=branch)
        start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
        data = solve(flow, start, t_end, parameters=parameters)
        values = {name: float(value) for name, value in flow.values(parameters).items()}
        dead = bool(outcome(flow, start, values).collapsed)
        data["stated"] = stated_order(branch, start["phi"], start["theta"], values["alpha"], dead)
        parts.append(xr.merge([data, timescales(flow, data)], combine_attrs="drop"))
    data = xr.concat(parts, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    return stamp(
        data,
        flow={"name": "toy", "states": list(flow.states), "roles": flow.roles, "reference": flow.reference},
        parameters=flow.field(parameters).about["parameters"],
        initial=start,
    )


def verdict(data: xr.Dataset) -> Verdict:
    """Say which variable is the fast one by each measure, at the start and over the run."""
    facts = []
    for name in ("relative_speed_ratio", "absolute_speed_ratio"):
        start = data[name].isel(time=0)
        facts.append(f"{measure(name)} at the start: {_per_branch(start)}")
    for name in ("half_life_ratio", "time90_ratio"):
        facts.append(f"{measure(name)}: {_per_branch(data[name])}")
    told = ", ".join(f"{branch} {AHEAD[int(data['stated'].sel(branch=branch))]}" for branch in data_branches(data))
    facts.append(f"theorem, at every share of a variable's own way: {told}")
    first = {
        "relative speed": data["relative_speed_ratio"].isel(time=0) > 1,
        "half-way time": data["half_life_ratio"] < 1,
    }
    for words, one in first.items():
        where = [branch for branch in data_branches(data) if bool(one.sel(branch=branch))]
        facts.append(f"by {words} φ is ahead in {', '.join(where) or 'no branch'}")
    start = data["relative_speed_ratio"].isel(time=0)
    return concluded("measured", f"Relative speed of φ over θ at the start: {_per_branch(start)}", "; ".join(facts))


def _per_branch(ratio: xr.DataArray) -> str:
    def shown(value: float) -> str:
        return f"1/{1 / value:.3g}" if 0 < value < 1 else f"{value:.3g}" if np.isfinite(value) else "none"

    return ", ".join(f"{branch} {shown(float(ratio.sel(branch=branch)))}" for branch in data_branches(ratio))


def data_branches(data: Any) -> list[str]:
    """Branches in the order of the data."""
    return [str(branch) for branch in data["branch"].values]


def draw(data: xr.Dataset, figure: Any) -> None:
    """Three measures over time: relative speed, distance to the slow manifold, and when half of the way is done."""
    relative, distance, halves = panel_row(figure, 3)
    time = data["time"].values
    ends: dict[Any, list[tuple[float, str, str]]] = {relative: [], distance: []}
    for branch in data_branches(data):
        style, one = BRANCH_STYLE[branch], data.sel(branch=branch)
        for axes, name in ((relative, "relative_speed_ratio"), (distance, "slow_manifold_distance")):
            shown = _positive(one[name].where(one[name] > FLOOR))
            axes.plot(time, shown, **style)
            known = shown[np.isfinite(shown)]
            ends[axes].append((float(known[-1]) if known.size else np.nan, branch, style["color"]))
    relative.axhline(1, color=COLOURS["grey"], linewidth=0.7)
    relative.set(yscale="log", title=r"relative speed, $\varphi$ / $\theta$", xlabel="flow time t")
    distance.set(yscale="log", title="distance to slow manifold", xlabel="flow time t")
    for axes, labels in ends.items():
        axes.set_xlim(float(time[0]), float(time[-1]))
        label_ends(axes, labels)
    _draw_displacement_times(data, halves)
    halves.set(title="½ and 90 % of the way", xlabel="flow time t")
    caption(
        figure,
        data,
        "Relative speed: (|φ'|/|φ|)/(|θ'|/|θ|). Slow manifold: where φ would rest if θ stood still. Right: open φ, "
        "filled θ; circles half of a variable's own way, squares 90 %",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
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
            panel.set_title(title)
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
    axes[0, 0].legend(loc="best")
    _draw_displacement_times(data, axes[1, 3])
    caption(
        figure,
        data,
        "The eigenvalue gap ends where one eigenvalue is zero: on a line of equilibria a gap says nothing. φ*: where "
        "φ would rest if θ stood still",
    )


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
                markersize=5,
                color=BRANCH_STYLE[branch]["color"],
                markerfacecolor="white" if column % 2 == 0 else None,
                linestyle="none",
            )
    axes.set_yticks(range(len(branches)), branches)
    axes.set_ylim(-0.6, len(branches) - 0.4)
    axes.invert_yaxis()


FIGURE = Figure(
    name="timescales",
    summary="Measures of fast and slow over time, in the three branches",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=0.5,
    height=2.9,
    full_height=6.6,
    panels=3,
)
