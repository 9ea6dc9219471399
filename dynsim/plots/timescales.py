"""All measures of fast and slow over time, in the three branches of the toy."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import BRANCH_STYLE

EXPERIMENT = "timescales"
OPTIONS: dict[str, Any] = {}
SIZE = (12.8, 7.2)


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
