"""Over parameters: branches of equilibria, curves of folds, shares of collapse."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import symbol
from dynsim.records import provenance

__all__ = [
    "MARKERS",
    "branch_panels",
    "draw_branches",
    "draw_collapse_fraction",
    "draw_fold_curve",
    "draw_hopf_curve",
    "draw_state",
]

MARKERS = {"folds": ("o", "fold"), "branch_points": ("D", "branch point"), "hopf": ("*", "Hopf point")}


def branch_panels(data: xr.Dataset) -> list[str]:
    """States of which each has a panel, three at the most; the encoder's come first, as they decide."""
    flow = provenance(data)["flow"]
    first = [name for name in (flow.get("roles") or {}).get("encoder", ()) if name in data]
    return [*first, *(name for name in flow["states"] if name not in first)][:3]


def draw_branches(data: xr.Dataset, axes: Any, state: str | None = None) -> None:
    """Draw one state of every branch over the parameter, with folds, branch points and Hopf points."""
    about = provenance(data)
    state = state or branch_panels(data)[0]
    draw_state(axes, data, about["parameter"], state)
    for kind, (marker, label) in MARKERS.items():
        points = about.get(kind) or []
        if points:
            x, y = [p[about["parameter"]] for p in points], [p[state] for p in points]
            style = {"color": COLOURS["black"], "markerfacecolor": "white", "zorder": 5, "linestyle": "none"}
            axes.plot(x, y, marker, label=label, **style)
    axes.set(xlabel=symbol(about["parameter"]), ylabel=symbol(state))


def draw_state(axes: Any, data: xr.Dataset, parameter: str, state: str, colour: str = COLOURS["blue"]) -> None:
    """Draw one state over the parameter: solid where stable, dashed where not."""
    for index in range(data.sizes["branch"]):
        one = data.isel(branch=index)
        x, y, stable = one[parameter].values, one[state].values, one["stable"].values
        for value, style, width in ((1, "-", 1.8), (0, "--", 1.1)):
            shown = stable == value
            shown[1:] |= (stable[:-1] == value) & (stable[1:] >= 0)  # no gap where the stability changes
            axes.plot(np.where(shown, x, np.nan), np.where(shown, y, np.nan), style, color=colour, linewidth=width)


def draw_fold_curve(data: xr.Dataset, axes: Any) -> None:
    """Draw where folds are in the plane of two parameters."""
    a, b = provenance(data)["pair"]
    axes.plot(data[a], data[b], color=COLOURS["blue"])
    axes.set(xlabel=symbol(a), ylabel=symbol(b))


def draw_hopf_curve(data: xr.Dataset, axes: Any) -> None:
    """Draw where cycles are born in the plane of two parameters: solid where they attract, dashed where not."""
    about = provenance(data)
    a, b = about["pair"]
    x, y = data[a].values, data[b].values
    attracts = (data["lyapunov"] < 0) & (data["unstable_others"] == 0)
    repels = ~attracts & data["lyapunov"].notnull()
    for chosen, style, label in ((attracts.values, "-", "a stable cycle"), (repels.values, "--", "an unstable cycle")):
        shown = chosen.copy()
        shown[1:] |= chosen[:-1]  # no gap where the sign changes
        if chosen.any():
            axes.plot(
                np.where(shown, x, np.nan), np.where(shown, y, np.nan), style, color=COLOURS["blue"], label=label
            )
    for point, marker in zip(about["special"], "oDs^v<>", strict=False):
        look = {"color": COLOURS["black"], "markerfacecolor": "white", "zorder": 5, "linestyle": "none"}
        axes.plot(point[a], point[b], marker, label=point["kind"], **look)
    axes.set(xlabel=symbol(a), ylabel=symbol(b))
    axes.legend()


def draw_collapse_fraction(data: xr.Dataset, axes: Any) -> None:
    """Draw the share of starts that collapse over a parameter; the grey band above is what is undecided."""
    share = data["collapse_fraction"]
    dims = [str(dim) for dim in share.dims]
    undecided = data["undecided"] if "undecided" in data else xr.zeros_like(share)
    if not dims:
        axes.bar(["collapse", "undecided"], [float(share), float(undecided)], color=COLOURS["vermilion"], width=0.5)
        axes.set(ylabel="share of starts", ylim=(0, 1.02))
        return
    if len(dims) == 2:
        mesh = axes.pcolormesh(data[dims[0]], data[dims[1]], share.transpose(dims[1], dims[0]), vmin=0, vmax=1)
        axes.figure.colorbar(mesh, ax=axes, label="share of starts that collapse")
        axes.set(xlabel=symbol(dims[0]), ylabel=symbol(dims[1]))
        return
    across = data[dims[0]].values
    axes.fill_between(across, share, share + undecided, color=COLOURS["grey"], alpha=0.25, linewidth=0)
    error = data.get("collapse_fraction_error")
    axes.errorbar(across, share, yerr=error, fmt=".-", elinewidth=0.7, color=COLOURS["vermilion"])
    axes.set(xlabel=symbol(dims[0]), ylabel="share of starts that collapse", ylim=(-0.02, 1.02))
