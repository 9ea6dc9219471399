"""The plane of two states: field, nullclines, equilibria, separatrices, orbits, basins, cycles, shocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.patches import FancyArrowPatch

from dynsim.drawing.animation import moves
from dynsim.drawing.streamlines import streamlines
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import symbol
from dynsim.errors import bad
from dynsim.records import provenance

__all__ = [
    "draw_arrow",
    "draw_basins",
    "draw_cycles",
    "draw_equilibria",
    "draw_field",
    "draw_lines",
    "draw_nullclines",
    "draw_orbit",
    "draw_points",
    "draw_portrait",
    "draw_resilience",
    "draw_separatrices",
    "draw_separatrix_set",
]


def draw_portrait(data: xr.Dataset, axes: Any) -> None:
    """Draw direction field, nullclines, lines and points of equilibria and what separates the fates."""
    draw_field(axes, data)
    draw_nullclines(axes, data)
    draw_lines(axes, data)
    draw_separatrices(axes, data)
    draw_points(axes, data)
    axes.set(
        xlim=(float(data["x"][0]), float(data["x"][-1])),
        ylim=(float(data["y"][0]), float(data["y"][-1])),
        xlabel=symbol(data.attrs.get("x_name", "x")),
        ylabel=symbol(data.attrs.get("y_name", "y")),
    )


def draw_field(axes: Any, data: xr.Dataset) -> None:
    """Draw the direction of motion as streamlines."""
    velocity = [data[f"velocity_{axis}"].values.T for axis in "xy"]
    lines = streamlines(data["x"].values, data["y"].values, *velocity)
    if lines:  # joined with gaps all are one, which makes small files
        joined = np.vstack([np.vstack([line, [[np.nan, np.nan]]]) for line in lines])
        axes.plot(*joined.T, color=_FIELD, linewidth=0.5, zorder=1, scalex=False, scaley=False)
    for line in lines[::2]:
        middle = len(line) // 2
        arrow = FancyArrowPatch(
            line[middle - 1], line[middle], shrinkA=0, shrinkB=0, arrowstyle="-|>", mutation_scale=6, color=_FIELD
        )
        arrow.set(linewidth=0.5, zorder=1)
        axes.add_artist(arrow)


_FIELD = "#B8B8B8"


def draw_nullclines(axes: Any, data: xr.Dataset) -> None:
    """Draw where one of the two velocities changes sign."""
    for name, colour in (("velocity_x", COLOURS["vermilion"]), ("velocity_y", COLOURS["blue"])):
        velocity = data[name].values.T
        if np.nanmin(velocity) < 0 < np.nanmax(velocity):
            axes.contour(data["x"], data["y"], velocity, levels=[0.0], colors=[colour], linewidths=0.8, linestyles=":")


def draw_lines(axes: Any, data: xr.Dataset) -> None:
    """Draw lines of equilibria, solid where they attract and dashed where they repel."""
    if "line" not in data.dims:
        return
    for index in range(data.sizes["line"]):
        x, y, growth = (data[f"line_{part}"].isel(line=index).values for part in ("x", "y", "growth"))
        for where, style in ((growth < 0, "-"), (growth > 0, "--")):
            axes.plot(np.where(where, x, np.nan), np.where(where, y, np.nan), style, color=COLOURS["green"], lw=1.8)


def draw_separatrices(axes: Any, data: xr.Dataset) -> None:
    """Draw what separates the fates: solid the orbits into a saddle or a degenerate point, dashed those out of it."""
    if "separatrix" not in data.dims:
        return
    for index, manifold in enumerate(data["separatrix_manifold"].values):
        x, y = (data[f"separatrix_{part}"].isel(separatrix=index) for part in ("x", "y"))
        if str(manifold):
            axes.plot(x, y, color=COLOURS["purple"], zorder=3, **_manifold_style(manifold))


def draw_points(axes: Any, data: xr.Dataset) -> None:
    """Draw isolated equilibria: filled where stable, open where not, a square for a saddle."""
    if "point" not in data.dims:
        return
    for x, y, kind in zip(data["point_x"].values, data["point_y"].values, data["point_kind"].values, strict=True):
        if str(kind):  # without one it only fills up the row of a portrait with fewer points
            _draw_point(axes, x, y, str(kind))


def draw_orbit(axes: Any, x: Any, y: Any, **style: Any) -> None:
    """Draw one orbit, mark its start and say with an arrow which way time goes."""
    style = {"color": COLOURS["black"], "linewidth": 1.5, "zorder": 4, **style}
    time = x["time"].values if isinstance(x, xr.DataArray) and "time" in x.coords else None
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    (line,) = axes.plot(x, y, **style)
    axes.plot(x[0], y[0], "o", color=style["color"], markersize=4, zorder=5)
    if time is not None:
        moves(line, time)
    draw_arrow(axes, x, y, style["color"], time)


def draw_arrow(axes: Any, x: np.ndarray, y: np.ndarray, colour: str, time: np.ndarray | None = None) -> None:
    """Put the arrow of time at the middle of an orbit's length."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 3:
        return
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    if not length[-1] > 0:
        return
    at = int(np.clip(np.searchsorted(length, length[-1] / 2), 1, len(x) - 1))
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 0, "mutation_scale": 9}
    note = axes.annotate("", (x[at], y[at]), (x[at - 1], y[at - 1]), arrowprops=arrow, zorder=5)
    if time is not None:
        moves(note, time[known][at])


def draw_basins(data: xr.Dataset, axes: Any) -> None:
    """Colour every start by the attractor it ends in; white: undecided.

    Raises
    ------
    InvalidValue
        More than two states were varied.
    """
    states = _states(data)
    dims = [str(name) for name in data["attractor"].dims]
    if len(dims) not in (1, 2):
        advice = f"choose others with data.isel({dims[-1]}=0)"
        raise bad("data", f"basins over {', '.join(dims)}", "basins over one or two starting values", advice)
    found = [int(index) for index in np.unique(data["attractor"].values) if index >= 0]
    palette = [COLOURS[name] for name in ("sky", "orange", "green", "purple", "yellow", "blue", "vermilion", "grey")]
    place = {index: number for number, index in enumerate(found)}
    numbers = np.vectorize(lambda index: place.get(int(index), -1), otypes=[float])(data["attractor"].values)
    shown = np.where(numbers < 0, np.nan, numbers % len(palette))
    x = data[dims[0]].values
    y = data[dims[1]].values if len(dims) == 2 else np.array([0.0])
    options: dict[str, Any] = {"cmap": ListedColormap(palette), "vmin": -0.5, "vmax": len(palette) - 0.5}
    axes.pcolormesh(x, y, np.atleast_2d(shown.T), shading="nearest", rasterized=True, **options)
    for index in found:
        colour = palette[place[index] % len(palette)]
        where = [float(data[f"at_{state}"].values[index]) for state in states if f"at_{state}" in data]
        label = (
            ", ".join(f"{symbol(s)} = {v:.3g}" for s, v in zip(states, where, strict=False)) or f"attractor {index}"
        )
        axes.plot([], [], "s", color=colour, label=label)
    if (data["attractor"].values < 0).any():
        axes.plot([], [], "s", color="white", markeredgecolor="black", markeredgewidth=0.5, label="undecided")
    axes.set(xlabel=f"{symbol(dims[0].removesuffix('0'))}(0)")
    if len(dims) == 2:
        axes.set(ylabel=f"{symbol(dims[1].removesuffix('0'))}(0)")
    else:
        axes.set_yticks([])
    axes.grid(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, handletextpad=0.3, columnspacing=1.0)


def draw_equilibria(data: xr.Dataset, axes: Any) -> None:
    """Draw equilibria in the plane of the first two states, or one state over its number.

    A point is filled where it is stable and a square where it is a saddle; of a line or surface one point is shown.
    """
    states = _states(data)
    kinds = data[_kind_variable(data)].values
    x = data[states[0]].values
    y = data[states[1]].values if len(states) > 1 else np.zeros_like(x)
    for one_x, one_y, kind in zip(np.atleast_1d(x), np.atleast_1d(y), np.atleast_1d(kinds), strict=True):
        _draw_point(axes, float(one_x), float(one_y), str(kind))
    axes.set(xlabel=symbol(states[0]), ylabel=symbol(states[1]) if len(states) > 1 else "")
    if len(states) == 1:
        axes.set_yticks([])
    axes.margins(0.15)


def draw_separatrix_set(data: xr.Dataset, axes: Any) -> None:
    """Draw separatrices in the plane of the first two states: solid into a saddle, dashed out of it."""
    across, up = _states(data)[:2]
    for index in range(data.sizes["separatrix"]):
        one = data.isel(separatrix=index)
        axes.plot(one[across], one[up], color=COLOURS["purple"], **_manifold_style(one["manifold"].item()))
    axes.set(xlabel=symbol(across), ylabel=symbol(up))


def draw_cycles(data: xr.Dataset, axes: Any) -> None:
    """Draw limit cycles in the plane of the first two states, solid where stable; one state over its phase."""
    states = _states(data)
    along = next(str(dim) for dim in data[states[0]].dims if dim != "cycle")
    for index in range(data.sizes.get("cycle", 1)):
        one = data.isel(cycle=index) if "cycle" in data.dims else data
        stable = bool(one["stable"]) if "stable" in one else True
        x = one[states[0]].values
        y = one[states[1]].values if len(states) > 1 else x
        across = x if len(states) > 1 else np.arange(one.sizes[along])
        label = f"period {float(one['period']):.4g}" if "period" in one else None
        axes.plot(across, y, "-" if stable else "--", color=COLOURS["blue"], label=label)
        draw_arrow(axes, np.asarray(across, dtype=float), y, COLOURS["blue"])
    axes.set(xlabel=symbol(states[0]), ylabel=symbol(states[1 if len(states) > 1 else 0]))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def draw_resilience(data: xr.Dataset, axes: Any) -> None:
    """Draw the smallest shocks that are fatal, each state's part as a bar, with the time of return in the title."""
    shock = float(np.ravel(data["fatal_shock"].values)[0])
    if "direction" in data:
        parts = np.ravel(data["direction"].values)
        names = [str(name) for name in data[data["direction"].dims[0]].values] if data["direction"].dims else []
    else:
        names = [name for name in _states(data) if f"direction_{name}" in data]
        parts = np.array([float(data[f"direction_{name}"]) for name in names])
    heights = shock * parts if np.isfinite(shock) else np.full(len(parts), np.nan)
    axes.bar([symbol(name) for name in names], heights, color=COLOURS["vermilion"], width=0.5)
    axes.axhline(0, color=COLOURS["grey"], linewidth=0.7)
    axes.set(ylabel="fatal shock")
    size = f"size {shock:.4g}" if np.isfinite(shock) else "no shock found that is fatal"
    back = float(np.ravel(data["return_time"].values)[0]) if "return_time" in data else np.nan
    axes.set_title(f"{size}; returns in a time of {back:.4g}" if np.isfinite(back) else size, loc="left")


def _draw_point(axes: Any, x: float, y: float, kind: str) -> None:
    stable, marker = kind.startswith("stable"), "s" if kind == "saddle" else "o"
    face = COLOURS["green"] if stable else "white"
    axes.plot(x, y, marker, color=COLOURS["green"], markerfacecolor=face, markersize=5, zorder=5)


def _manifold_style(manifold: Any) -> dict[str, Any]:
    stable = str(manifold) == "stable"
    return {"linestyle": "-" if stable else "--", "linewidth": 1.4 if stable else 0.9}


def _states(data: xr.Dataset) -> list[str]:
    flow = provenance(data).get("flow")
    named = flow.get("states") if isinstance(flow, dict) else None
    if named:
        return list(named)
    return [str(name) for name, values in data.data_vars.items() if values.dtype.kind == "f"]


def _kind_variable(data: xr.Dataset) -> str:
    return "kind" if "kind" in data else next(str(n) for n, v in data.data_vars.items() if v.dtype.kind in "UOT")
