"""Pieces of a phase portrait, each drawn from the variables that `portrait` names."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import COLOURS

__all__ = ["draw_field", "draw_lines", "draw_nullclines", "draw_orbit", "draw_points", "draw_separatrices"]


def draw_field(axes: Any, data: xr.Dataset) -> None:
    """Draw the direction of motion as streamlines."""
    with np.errstate(all="ignore"):
        axes.streamplot(
            data["x"].values,
            data["y"].values,
            np.nan_to_num(data["velocity_x"].values.T),
            np.nan_to_num(data["velocity_y"].values.T),
            color="#B8B8B8",
            linewidth=0.6,
            arrowsize=0.7,
            density=1.1,
            zorder=1,
        )


def draw_nullclines(axes: Any, data: xr.Dataset) -> None:
    """Draw where one of the two velocities changes sign."""
    for name, colour in (("velocity_x", COLOURS["vermilion"]), ("velocity_y", COLOURS["blue"])):
        values = data[name].values.T
        if np.nanmin(values) < 0 < np.nanmax(values):
            axes.contour(data["x"], data["y"], values, levels=[0.0], colors=[colour], linewidths=0.9, linestyles=":")


def draw_lines(axes: Any, data: xr.Dataset) -> None:
    """Draw lines of equilibria, solid where they attract and dashed where they repel."""
    if "line" not in data.dims:
        return
    for index in range(data.sizes["line"]):
        x, y, growth = (data[f"line_{part}"].isel(line=index).values for part in ("x", "y", "growth"))
        for where, style in ((growth < 0, "-"), (growth > 0, "--")):
            axes.plot(np.where(where, x, np.nan), np.where(where, y, np.nan), style, color=COLOURS["green"], lw=2.2)


def draw_separatrices(axes: Any, data: xr.Dataset) -> None:
    """Draw what separates the fates: solid the orbits into a saddle or a degenerate point, dashed those out of it."""
    if "separatrix" not in data.dims:
        return
    for index, manifold in enumerate(data["separatrix_manifold"].values):
        x, y = (data[f"separatrix_{part}"].isel(separatrix=index) for part in ("x", "y"))
        style = {"linestyle": "-", "linewidth": 1.6} if manifold == "stable" else {"linestyle": "--", "linewidth": 1.0}
        axes.plot(x, y, color=COLOURS["purple"], zorder=3, **style)


def draw_points(axes: Any, data: xr.Dataset) -> None:
    """Draw isolated equilibria: filled where stable, open where not, a square for a saddle."""
    if "point" not in data.dims:
        return
    for x, y, kind in zip(data["point_x"].values, data["point_y"].values, data["point_kind"].values, strict=True):
        stable, marker = str(kind).startswith("stable"), "s" if kind == "saddle" else "o"
        face = COLOURS["green"] if stable else "white"
        axes.plot(x, y, marker, color=COLOURS["green"], markerfacecolor=face, markersize=7, zorder=5)


def draw_orbit(axes: Any, data: xr.Dataset, x_name: str, y_name: str) -> None:
    """Draw one orbit and mark its start."""
    x, y = data[f"orbit_{x_name}"], data[f"orbit_{y_name}"]
    axes.plot(x, y, color=COLOURS["black"], linewidth=1.8, zorder=4)
    axes.plot(x[0], y[0], "o", color=COLOURS["black"], markersize=5, zorder=5)
