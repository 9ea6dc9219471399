"""The phase portrait of two states as one Dataset: field, equilibria and separatrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.boxes import box_of
from dynsim.analysis.numerics.manifold import SAMPLES
from dynsim.analysis.numerics.separatrices import SeparatrixCurve, separatrix_curves
from dynsim.analysis.stability import transverse_growth
from dynsim.deprecation import deprecated_arguments
from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.integrate.validation import count
from dynsim.records import stamp
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["portrait"]

_ALONG = 401  # samples along a line of equilibria

_FINEST = 4001  # points a side, beyond which a picture shows no more and memory runs out


@deprecated_arguments(view="box")
def portrait(
    flow: Flow,
    parameters: Mapping[Any, Any] | None = None,
    box: Mapping[Any, Any] | None = None,
    *,
    plane: tuple[Any, Any] | None = None,
    at: Mapping[Any, float] | None = None,
    resolution: int = 121,
) -> xr.Dataset:
    """Collect what a phase portrait shows.

    Parameters
    ----------
    flow : Flow
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.
    box : mapping, optional
        ``{state: (low, high)}``; by default the flow's view, else ±2.
    plane : pair of states, optional
        Which two states are drawn; by default the first two.
    at : mapping, optional
        Values of the other states, for a flow with more than two; by default the system's.
    resolution : int
        Grid points per axis.

    Returns
    -------
    xarray.Dataset
        `velocity_x`, `velocity_y` over ``(x, y)``: their zeros are the nullclines. For a flow with two
        states also the equilibria, `point_x`, `point_y`, `point_kind` over `point`; the lines of equilibria,
        `line_x`, `line_y`, `line_growth` (transverse eigenvalue, negative where the line attracts) over
        ``(line, along)``; and the separatrices, `separatrix_x`, `separatrix_y` over ``(separatrix, arc)`` with
        their `separatrix_manifold`, as in `separatrices`.
        Attributes `x_name` and `y_name` name the states; `complete` is 1 if the equilibria are proven to be all.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No flow, fewer than two states, an unknown state or parameter, an empty box.

    See Also
    --------
    basins : where runs end.
    draw : the picture of it.

    Examples
    --------
    >>> import dynsim
    >>> data = dynsim.portrait(dynsim.system("toy"))
    >>> data.attrs["x_name"], data.sizes["line"]
    ('phi', 2)
    """
    flow = as_flow(flow)
    flow.require_autonomous("a portrait")
    resolution = count("resolution", resolution, 121)
    if resolution > _FINEST:
        raise bad("resolution", resolution, f"at most {_FINEST} points a side")
    x_name, y_name = _plane(flow, plane)
    seen = {n: flow.view.get(n, (-2.0, 2.0)) for n in (x_name, y_name)}
    sides = box_of(flow, {**seen, **(box or {})} if isinstance(box, Mapping) or box is None else box).sides
    (x_low, x_high), (y_low, y_high) = sides[x_name], sides[y_name]
    x, y = np.linspace(x_low, x_high, resolution), np.linspace(y_low, y_high, resolution)
    field = flow.field(parameters)
    states = np.empty((len(flow.states), resolution, resolution))
    for index, name in enumerate(flow.states):
        states[index] = _elsewhere(flow, name, at) if name not in (x_name, y_name) else 0.0
    states[flow.states.index(x_name)], states[flow.states.index(y_name)] = np.meshgrid(x, y, indexing="ij")
    velocity = field.f(0.0, states)
    data = xr.Dataset(
        {
            "velocity_x": (("x", "y"), velocity[flow.states.index(x_name)]),
            "velocity_y": (("x", "y"), velocity[flow.states.index(y_name)]),
        },
        coords={"x": x, "y": y},
    )
    complete = 0
    if len(flow.states) == 2:
        found = equilibria(flow, parameters, box=sides)
        complete = int(found.complete)
        parts = (_points(found, x_name, y_name), _lines(found, field, sides, x_name, y_name))
        borders, _ = separatrix_curves(flow, parameters, sides)
        data = data.assign({**parts[0], **parts[1], **_borders(borders, flow, x_name, y_name)})
    values = field.about["parameters"]
    about = {key: value for key, value in field.about.items() if key != "parameters"}
    return stamp(data, kind="portrait", flow=about, parameters=values, x_name=x_name, y_name=y_name, complete=complete)


def _plane(flow: Flow, plane: tuple[Any, Any] | None) -> tuple[str, str]:
    if len(flow.states) < 2:
        raise bad("flow", flow.states, "at least two states", "one state has no phase plane")
    if plane is None:
        return flow.states[0], flow.states[1]
    if not isinstance(plane, tuple | list) or len(plane) != 2:
        raise bad("plane", plane, "a pair of states", kind=InvalidType)
    names = (name_of("plane", plane[0]), name_of("plane", plane[1]))
    for name in names:
        if name not in flow.states:
            raise unknown("state in plane", name, flow.states)
    if names[0] == names[1]:
        raise bad("plane", plane, "two different states")
    return names


def _elsewhere(flow: Flow, name: str, at: Mapping[Any, float] | None) -> float:
    given = {name_of("at", key): value for key, value in (at or {}).items()}
    if name in given:
        return float(given[name])
    if name in flow.defaults:
        return float(flow.defaults[name])
    raise bad("at", at, f"a value for {name}, which is not in the plane", f"pass at={{'{name}': …}}")


def _points(found: Any, x_name: str, y_name: str) -> dict[str, Any]:
    points = [item for item in found if item.kind != "line"]
    return {
        "point_x": ("point", np.array([float(item.point[x_name]) for item in points])),
        "point_y": ("point", np.array([float(item.point[y_name]) for item in points])),
        "point_kind": ("point", np.array([item.kind for item in points], dtype=str)),
    }


def _lines(
    found: Any, field: Field, box: Mapping[str, tuple[float, float]], x_name: str, y_name: str
) -> dict[str, Any]:
    lines = [item for item in found if item.kind == "line"]
    samples = np.full((3, len(lines), _ALONG), np.nan)
    for index, item in enumerate(lines):
        if item.curve is not None and item.free is not None:
            free = np.linspace(*box[item.free], _ALONG)
            path, growth = item.along(free), item.growth(free)
        elif item.trace is not None:
            count = min(_ALONG, len(item.trace[x_name]))
            path = {name: np.asarray(values)[:count] for name, values in item.trace.items()}
            growth = transverse_growth(field, np.array([path[name] for name in field.names]))
        else:
            continue
        count = len(path[x_name])
        samples[0, index, :count], samples[1, index, :count] = path[x_name], path[y_name]
        samples[2, index, :count] = growth
    return {
        name: (("line", "along"), values)
        for name, values in zip(("line_x", "line_y", "line_growth"), samples, strict=True)
    }


def _borders(curves: list[SeparatrixCurve], flow: Flow, x_name: str, y_name: str) -> dict[str, Any]:
    points = np.array([curve.points for curve in curves]).reshape(len(curves), SAMPLES, len(flow.states))
    return {
        "separatrix_x": (("separatrix", "arc"), points[:, :, flow.states.index(x_name)]),
        "separatrix_y": (("separatrix", "arc"), points[:, :, flow.states.index(y_name)]),
        "separatrix_manifold": ("separatrix", np.array([curve.manifold for curve in curves], dtype=str)),
    }
