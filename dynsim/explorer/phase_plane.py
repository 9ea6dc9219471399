"""What stands still while a run moves: field, nullclines, equilibria and separatrices of the plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from contourpy import contour_generator

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.numerics.portrait import portrait
from dynsim.explorer.live_run import field_at
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import Subject, analysed, is_steady, subject
from dynsim.symbolic.flow import Flow

__all__ = ["PlaneData", "has_equilibria", "quick_plane", "same_plane", "settled_plane"]

Line = tuple[np.ndarray, np.ndarray]
ARROWS = 15  # per axis
_GRID = 61


@dataclass(frozen=True)
class PlaneData:
    """Drawing data of a plane, or of a phase line.

    Attributes
    ----------
    box : tuple of (low, high)
        Across and upwards.
    arrows : array of shape ``(n, 4)``
        Place and velocity.
    nullclines : tuple of (state, line)
        Where that state stands still.
    lines : tuple of (line, attracts)
        Lines of equilibria, cut where their stability changes.
    points : tuple of (x, y, kind)
        Isolated equilibria.
    separatrices : tuple of (line, leads_in)
        Orbits into a saddle or a degenerate point, which part the fates, and those out of it.
    settled : bool
        False where equilibria and separatrices have yet to be computed.
    """

    box: tuple[tuple[float, float], ...]
    arrows: np.ndarray
    nullclines: tuple[tuple[str, Line], ...]
    lines: tuple[tuple[Line, bool], ...] = ()
    points: tuple[tuple[float, float, str], ...] = ()
    separatrices: tuple[tuple[Line, bool], ...] = ()
    settled: bool = False


def has_equilibria(setting: Setting) -> bool:
    """Whether equilibria and separatrices are asked for: of equations that do not change in time."""
    return subject(setting).equations is not None and is_steady(setting)


def quick_plane(setting: Setting) -> PlaneData:
    """Field and nullclines of a filled setting, in a few milliseconds.

    Examples
    --------
    >>> from dynsim.explorer.phase_plane import quick_plane
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> quick_plane(filled(Setting("toy"))).arrows.shape
    (210, 4)
    """
    about = subject(setting)
    if len(about.plane) == 1:
        return _phase_line(about, setting)
    (across, upwards), field = setting.plane or about.plane, field_at(about, setting.parameters)
    x, y = (np.linspace(*about.view[name], _GRID) for name in (across, upwards))
    states = np.empty((field.size, _GRID, _GRID))
    for row, name in enumerate(field.names):
        states[row] = setting.initial[name]
    rows = [field.names.index(across), field.names.index(upwards)]
    states[rows[0]], states[rows[1]] = np.meshgrid(x, y, indexing="ij")
    velocity = field.f(0.0, states)
    data = xr.Dataset(
        {f"velocity_{axis}": (("x", "y"), velocity[row]) for axis, row in zip("xy", rows, strict=True)},
        {"x": x, "y": y},
        {"x_name": across, "y_name": upwards},
    )
    plane = _of_grid(data)
    return plane if is_steady(setting) else replace(plane, nullclines=(), settled=True)


def settled_plane(setting: Setting) -> PlaneData:
    """Everything the portrait of a filled setting shows; takes as long as the analysis takes."""
    about = subject(setting)
    if len(about.plane) == 1:
        return _phase_line(about, setting, settled=True)
    if not has_equilibria(setting):
        return replace(quick_plane(setting), settled=True)
    across, upwards = setting.plane or about.plane
    view = {name: about.view[name] for name in (across, upwards)}
    elsewhere = {name: value for name, value in setting.initial.items() if name not in view}
    flow, values = analysed(setting)
    return _portrayed(flow, *(tuple(told.items()) for told in (values, view, elsewhere)))


@lru_cache(maxsize=16)
def _portrayed(flow: Flow, *told: tuple[tuple[str, Any], ...]) -> PlaneData:
    """The last few are kept: whoever goes back, or opens the same view again, waits for nothing."""
    values, view, elsewhere = map(dict, told)
    across, upwards = view
    data = portrait(flow, values, view, plane=(across, upwards), at=elsewhere, resolution=2 * _GRID - 1)
    return _of_grid(data, settled=True)


def _of_grid(data: xr.Dataset, settled: bool = False) -> PlaneData:
    x, y = data["x"].values, data["y"].values
    fields = {data.attrs[f"{axis}_name"]: data[f"velocity_{axis}"].values for axis in "xy"}
    nullclines = tuple(
        (name, (line[:, 0], line[:, 1]))
        for name, values in fields.items()
        for line in map(np.asarray, contour_generator(x, y, np.ma.masked_invalid(values.T)).lines(0.0))
    )
    inner = np.linspace(0, len(x) - 1, 2 * ARROWS + 1).round().astype(int)[1::2]
    places = np.meshgrid(x[inner], y[inner], indexing="ij")
    arrows = np.stack([*places, *[values[np.ix_(inner, inner)] for values in fields.values()]], axis=-1).reshape(-1, 4)
    arrows = arrows[np.isfinite(arrows).all(axis=1) & (np.abs(arrows[:, 2:]).max(axis=1) > 1e-12)]
    box = ((float(x[0]), float(x[-1])), (float(y[0]), float(y[-1])))
    return PlaneData(box, arrows, nullclines, _lines(data), _points(data), _separatrices(data), settled)


def _lines(data: xr.Dataset) -> tuple[tuple[Line, bool], ...]:
    """Lines of equilibria in pieces of one stability; neighbours share their end, so that no gap shows."""
    pieces = []
    for index in range(data.sizes.get("line", 0)):
        one = data.isel(line=index)
        x, y, growth = (one[f"line_{part}"].values for part in ("x", "y", "growth"))
        attracts = growth < 0
        cuts = np.flatnonzero(np.diff(attracts)) + 1
        for low, high in zip([0, *cuts], [*cuts, len(x)], strict=True):
            piece = slice(low, min(high + 1, len(x)))
            if np.isfinite(x[piece]).any():
                pieces.append(((x[piece], y[piece]), bool(attracts[low])))
    return tuple(pieces)


def _points(data: xr.Dataset) -> tuple[tuple[float, float, str], ...]:
    if "point_x" not in data:
        return ()
    columns = (data["point_x"].values, data["point_y"].values, data["point_kind"].values)
    return tuple((float(x), float(y), str(kind)) for x, y, kind in zip(*columns, strict=True))


def _separatrices(data: xr.Dataset) -> tuple[tuple[Line, bool], ...]:
    if "separatrix" not in data.dims:
        return ()
    columns = (data[f"separatrix_{part}"].values for part in ("x", "y", "manifold"))
    return tuple(((x, y), str(manifold) == "stable") for x, y, manifold in zip(*columns, strict=True))


def _phase_line(about: Subject, setting: Setting, settled: bool = False) -> PlaneData:
    """One state: its velocity over its value; equilibria where that is zero."""
    (name,), field = about.plane, field_at(about, setting.parameters)
    low, high = about.view[name]
    x = np.linspace(low, high, 241)
    velocity = field.f(0.0, x[None])[0]
    finite = np.abs(velocity[np.isfinite(velocity)])
    reach = float(np.quantile(finite, 0.9)) * 1.2 if finite.size and finite.max() > 0 else 1.0
    points: tuple[tuple[float, float, str], ...] = ()
    if settled and has_equilibria(setting):
        found = equilibria(*analysed(setting), box={name: (low, high)})
        points = tuple((float(item.point[name]), 0.0, item.kind) for item in found if item.kind != "line")
    return PlaneData(
        ((low, high), (-reach, reach)),
        np.empty((0, 4)),
        ((name, (x, velocity)), ("", (np.array([low, high]), np.zeros(2)))),
        points=points,
        settled=settled,
    )


def same_plane(one: Setting, other: Setting) -> bool:
    """Whether two filled settings have the same scenery; the start matters only outside the plane."""
    about = subject(one)
    if about is not subject(other) or one.parameters != other.parameters or one.plane != other.plane:
        return False
    return all(one.initial[name] == other.initial[name] for name in about.flow.states if name not in (one.plane or ()))
