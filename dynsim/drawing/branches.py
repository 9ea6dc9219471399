"""Branches of equilibria over a parameter: solid where stable, dashed where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import COLOURS

__all__ = ["MARKERS", "draw_branches", "draw_special_points"]

MARKERS = {"folds": ("o", "fold"), "branch_points": ("D", "branch point"), "hopf": ("*", "Hopf point")}


def draw_branches(axes: Any, data: xr.Dataset, parameter: str, state: str, colour: str = COLOURS["blue"]) -> None:
    """Draw one state over the parameter."""
    for index in range(data.sizes["branch"]):
        one = data.isel(branch=index)
        x, y, stable = one[parameter].values, one[state].values, one["stable"].values
        for value, style, width in ((1, "-", 2.0), (0, "--", 1.3)):
            shown = stable == value
            shown[1:] |= (stable[:-1] == value) & (stable[1:] >= 0)  # no gap where the stability changes
            axes.plot(np.where(shown, x, np.nan), np.where(shown, y, np.nan), style, color=colour, linewidth=width)


def draw_special_points(axes: Any, about: dict[str, Any], parameter: str, state: str) -> None:
    """Mark folds, branch points and Hopf points."""
    for kind, (marker, label) in MARKERS.items():
        points = about.get(kind) or []
        if points:
            x, y = [p[parameter] for p in points], [p[state] for p in points]
            axes.plot(x, y, marker, color=COLOURS["black"], markerfacecolor="white", label=label, zorder=5)
