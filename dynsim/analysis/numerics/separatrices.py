"""What separates the fates of a flow: invariant curves of its saddles and of the degenerate points of its lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.algebra.desingularised import Desingularised, desingularised
from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.algebra.equilibrium import Equilibrium
from dynsim.analysis.algebra.exact_values import at_exact_values
from dynsim.analysis.algebra.line_stability import zeros_along
from dynsim.analysis.boxes import Box, box_of, drawn_box
from dynsim.analysis.numerics.manifold import SAMPLES, leave_along, orbit
from dynsim.errors import bad
from dynsim.field import Field
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["SeparatrixCurve", "separatrices", "separatrix_curves"]

_STEP = 1e-4


@dataclass(frozen=True)
class SeparatrixCurve:
    """Points along a curve, the point it belongs to first; which manifold of that it is, and what it is."""

    points: np.ndarray
    manifold: str
    origin: np.ndarray
    kind: str


def separatrices(
    flow: Flow, parameters: Mapping[Any, Any] | None = None, *, box: Mapping[Any, Any] | None = None
) -> xr.Dataset:
    """Trace the stable and unstable manifolds of saddles, and the orbits that end where a line loses stability.

    Parameters
    ----------
    flow : Flow
        With at least two states. Of a flow with more than two, only manifolds of dimension one are traced.
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.
    box : mapping, optional
        ``{state: (low, high)}``; by default the flow's view. Curves end a little outside, where they come to rest,
        or where they return to themselves: the loop of a homoclinic orbit is drawn once, a spiral until its turns
        can no longer be told apart.

    Returns
    -------
    xarray.Dataset
        One variable per state over ``(separatrix, along)``, points equally spaced in arc length and the origin
        first; `manifold` ("stable": the flow runs into the origin, "unstable": out of it) and `origin_kind`
        ("saddle" or "line") per separatrix. `complete` is 1 if the equilibria are proven to be all.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No flow, a flow with one state, an unknown parameter, an empty box, a state called as a result is.

    See Also
    --------
    basins : what they separate.

    Notes
    -----
    The two stable curves of a saddle, and the orbits into a degenerate point of a line, are where basins of
    attraction meet: in the toy the boundary of collapse.

    Examples
    --------
    >>> import dynsim
    >>> found = dynsim.separatrices(dynsim.system("toy", branch="full"))
    >>> boundary = found.sel(separatrix=found.manifold == "stable")
    >>> bool((abs((1 - boundary.phi) ** 2 - boundary.theta**2) < 1e-9).all())  # (1−φ)² = αθ²
    True
    """
    flow = as_flow(flow)
    flow.require_autonomous("a separatrix")
    curves, complete = separatrix_curves(flow, parameters, box)
    return stamp(
        _dataset(flow, curves),
        kind="separatrices",
        flow=flow.about(),
        parameters=flow.field(parameters).about["parameters"],
        complete=int(complete),
    )


def separatrix_curves(
    flow: Flow, parameters: Mapping[Any, Any] | None, box: Mapping[Any, Any] | None
) -> tuple[list[SeparatrixCurve], bool]:
    """Curves as `separatrices` returns them, and whether the equilibria they start from are proven to be all."""
    region = drawn_box(flow, box_of(flow, box))
    found = equilibria(flow, parameters, box=region.sides)
    if len(flow.states) < 2:
        raise bad("flow", flow.states, "at least two states", "on a line the unstable equilibria are the boundaries")
    field = flow.field(parameters)
    curves = [
        curve
        for item in found
        for curve in (
            _of_saddle(field, item, region)
            if item.kind == "saddle"
            else _of_line(flow, parameters, field, item, region)
        )
    ]
    distinct: list[SeparatrixCurve] = []
    for curve in curves:
        if not any(np.allclose(curve.points, other.points, atol=1e-6) for other in distinct):
            distinct.append(curve)
    return distinct, found.complete


def _dataset(flow: Flow, curves: list[SeparatrixCurve]) -> xr.Dataset:
    points = np.array([curve.points for curve in curves]).reshape(len(curves), SAMPLES, len(flow.states))
    return xr.Dataset(
        {
            **{name: (("separatrix", "along"), points[:, :, i]) for i, name in enumerate(flow.states)},
            "manifold": ("separatrix", np.array([curve.manifold for curve in curves], dtype=str)),
            "origin_kind": ("separatrix", np.array([curve.kind for curve in curves], dtype=str)),
        }
    )


def _corners(flow_states: tuple[str, ...], region: Box) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.array([region.sides[name] for name in flow_states], dtype=float).T
    return low, high


def _of_saddle(field: Field, item: Equilibrium, region: Box) -> Iterator[SeparatrixCurve]:
    """Both halves of every one-dimensional manifold of a hyperbolic saddle."""
    point = np.array([float(item.point[name]) for name in field.names])
    low, high = _corners(field.names, region)

    def velocity(y: np.ndarray) -> np.ndarray:
        return np.asarray(field.f(0.0, y))

    def jacobian(y: np.ndarray) -> np.ndarray:
        return np.asarray(field.jacobian(0.0, y))

    for manifold, sign in (("stable", -1.0), ("unstable", 1.0)):
        for start in _leaving(jacobian, point, sign, float(np.linalg.norm(high - low))):
            path = orbit(lambda y, sign=sign: sign * velocity(y), start, low, high)  # type: ignore[misc]
            yield SeparatrixCurve(np.vstack([point, path[1:]]), manifold, point, "saddle")


def _leaving(jacobian: Any, point: np.ndarray, sign: float, size: float) -> Iterator[np.ndarray]:
    """Starts on both sides along the eigenvector whose eigenvalue alone has this sign."""
    values, vectors = np.linalg.eig(jacobian(point))
    chosen = np.flatnonzero(sign * values.real > 0)
    if len(chosen) != 1:
        return
    direction = vectors[:, chosen[0]].real
    for side in (1.0, -1.0):
        yield leave_along(jacobian, point, float(values[chosen[0]].real), side * direction, _STEP * size)


def _of_line(
    flow: Flow, parameters: Mapping[Any, Any] | None, field: Field, item: Equilibrium, region: Box
) -> Iterator[SeparatrixCurve]:
    """Orbits into and out of the points of a line at which it is not normally hyperbolic; planar flows only."""
    if item.curve is None or item.free is None or len(flow.states) != 2:
        return
    smooth = desingularised(at_exact_values(flow, parameters)[0])
    if smooth is None:
        return
    low, high = _corners(flow.states, region)
    size = float(np.linalg.norm(high - low))
    places = zeros_along(item.eigenvalues, flow.symbols[item.free], *region.sides[item.free])
    for place in places:
        point = np.array([float(value) for value in (item.along([float(place)])[name][0] for name in flow.states)])
        if not ((point >= low) & (point <= high)).all():
            continue
        regular = bool(np.linalg.norm(smooth.field(point)) > 1e-9)
        for sign in (1.0, -1.0):
            for start in [point] if regular else _leaving(smooth.jacobian, point, sign, size):
                path = _until_a_line(smooth, sign, start, point, low, high)
                if path is None:
                    continue
                middle = len(path) // 2
                outwards = float(np.dot(field.f(0.0, path[middle]), path[middle + 1] - path[middle]))
                points = path if regular else np.vstack([point, path[1:]])
                yield SeparatrixCurve(points, "unstable" if outwards > 0 else "stable", point, "line")


def _until_a_line(
    smooth: Desingularised, sign: float, start: np.ndarray, point: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray | None:
    """Orbit of the smooth field up to the next line of equilibria, where the true orbit ends; None along a line."""
    near = 1e-3 * float(np.linalg.norm(high - low))

    def velocity(y: np.ndarray) -> np.ndarray:
        return sign * smooth.field(y)

    def outside(y: np.ndarray) -> float:
        return float(np.linalg.norm(y - point) - near)

    begun = orbit(velocity, start, low, high, [lambda y: near - outside(y)])[-1]
    side = np.sign(smooth.factor(begun))
    if abs(smooth.factor(begun)) < 1e-9 * near:
        return None
    return orbit(velocity, start, low, high, [lambda y: side * smooth.factor(y) if outside(y) > 0 else 1.0])
