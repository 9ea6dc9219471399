"""Equilibria as a parameter varies: branches with their stability, folds, branch points, Hopf points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.numerics.arclength import Curve, correct, tangent, trace
from dynsim.analysis.numerics.parameter_field import ParameterField, span_of
from dynsim.analysis.numerics.special_points import special_points
from dynsim.deprecation import deprecated_arguments
from dynsim.errors import DynsimError, bad
from dynsim.integrate.validation import named, numbers
from dynsim.records import stamp
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow

__all__ = ["Continuation", "continuation"]

_LOOKS = 5  # parameter values at which starts are looked for
_MOST_BRANCHES = 24
_NEUTRAL = 1e-9
_ROUNDING = 1e-14  # what is smaller, in units of the typical size, is zero


@dataclass(frozen=True)
class Continuation:
    """Branches of equilibria over a parameter.

    Attributes
    ----------
    branches : xarray.Dataset
        Every state, the parameter, `growth` (largest real part of an eigenvalue) and `stable` (1, 0, −1 beyond
        the end) over ``(branch, along)``, NaN beyond the end of a branch.
    folds, branch_points, hopf : list of dict
        ``{name: value}`` of the states and the parameter, then of the other parameters.
    """

    branches: xr.Dataset
    folds: list[dict[str, float]]
    branch_points: list[dict[str, float]]
    hopf: list[dict[str, float]]


@deprecated_arguments(start="initial")
def continuation(
    flow: Flow,
    parameter: Any,
    span: Any,
    *,
    initial: Mapping[Any, float] | None = None,
    parameters: Mapping[Any, Any] | None = None,
) -> Continuation:
    """Follow the equilibria of a flow as one parameter varies, by pseudo-arclength.

    Parameters
    ----------
    flow : Flow
    parameter : str or Symbol
        What varies.
    span : pair of float
        From where to where.
    initial : mapping, optional
        ``{state: value}``, near an equilibrium at the lower end of the span (or at ``initial[parameter]``, if
        given): follow that branch and what branches off it. By default every isolated equilibrium that
        `equilibria` finds at five values across the span starts a branch.
    parameters : mapping, optional
        Values of the other parameters; what is left out takes the system's default.

    Returns
    -------
    Continuation

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        An unknown parameter, an empty span, a start from which no equilibrium is reached.

    Notes
    -----
    Lines of equilibria are not followed: on them the equilibrium is not isolated. Folds and branch points solve
    their own extended equations, so the parameter there is accurate to about 1e-12.

    References
    ----------
    Keller, in: Applications of Bifurcation Theory (1977); Griewank & Reddien, IMA J. Numer. Anal. 4 (1984);
    Kuznetsov, Elements of Applied Bifurcation Theory (2004), chapter 10.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.gradient_flow("w^3/3 - mu*w", ["w"])  # w' = mu − w²: a fold at the origin
    >>> found = dynsim.continuation(flow, "mu", (-1, 1))
    >>> [round(abs(point["mu"]), 9) for point in found.folds]
    [0.0]
    """
    name = name_of("parameter", parameter)
    low, high = span_of("span", span)
    field = ParameterField(flow, [name], parameters)
    curve = Curve(field.function, field.jacobian, _scale(flow, low, high))
    waiting: list[tuple[np.ndarray, np.ndarray | None]] = [
        (z, None) for z in _starts(field, curve, initial, low, high)
    ]
    branches: list[np.ndarray] = []
    found: dict[str, list[np.ndarray]] = {"fold": [], "branch point": [], "hopf": []}
    while waiting and len(branches) < _MOST_BRANCHES:
        z, direction = waiting.pop(0)
        if direction is None and any(_on(curve, z, branch) for branch in branches):
            continue
        branch = _branch(curve, z, direction, low, high)
        if len(branch) < 3 or (
            direction is not None and any(_on(curve, branch[len(branch) // 2], b) for b in branches)
        ):
            continue
        branches.append(branch)
        for kind, point in special_points(field, curve, branch if direction is None else branch[1:]):
            if not _within(point[-1], low, high) or any(_same(curve, point, other) for other in found[kind]):
                continue
            found[kind].append(point)
            if kind == "branch point":
                waiting += [(point, way) for way in _ways_out(curve, point)]
    told = {
        kind: [{**field.named(np.where(np.abs(z) < _ROUNDING * curve.scale, 0.0, z)), **field.fixed} for z in points]
        for kind, points in found.items()
    }
    data = _dataset(field, branches)
    values = {**field.fixed, name: [low, high]}
    stamp(data, kind="branches", flow=flow.about(), parameters=values, parameter=name)
    return Continuation(data, told["fold"], told["branch point"], told["hopf"])


def _scale(flow: Flow, low: float, high: float) -> np.ndarray:
    widths = [np.ptp(flow.view[name]) / 2 if name in flow.view else 1.0 for name in flow.states]
    return np.array([*widths, high - low])


def _starts(
    field: ParameterField, curve: Curve, start: Mapping[Any, float] | None, low: float, high: float
) -> list[np.ndarray]:
    flow, name = field.flow, field.free[0]
    across = np.zeros(len(flow.states) + 1)
    across[-1] = 1.0  # hold the parameter
    if start is not None:
        given = numbers("initial", start)
        at = given.pop(name, low)
        guess = np.array([*named("initial", given, flow.states).values(), at])
        z = correct(curve, guess, across)
        if z is None:
            raise bad("initial", dict(start), f"a point near an isolated equilibrium at {name} = {at:g}")
        return [z]
    result = []
    for value in np.linspace(low, high, _LOOKS):
        inner = value + (high - low) * (1e-3 if value == low else -1e-3 if value == high else 0.0)
        try:
            points = equilibria(flow, {**field.fixed, name: float(inner)})
        except DynsimError:  # the right-hand side is infinite at this value; others may do
            continue
        for item in points:
            if item.kind == "line":
                continue
            guess = np.array([*(float(item.point[state]) for state in flow.states), inner])
            z = correct(curve, guess, across)
            if z is not None:
                result.append(z)
    return result


def _branch(curve: Curve, z: np.ndarray, direction: np.ndarray | None, low: float, high: float) -> np.ndarray:
    """Both ways from a point, or one way from a branch point."""

    def inside(point: np.ndarray) -> bool:
        return bool(_within(point[-1], low, high) and np.abs(point[:-1] / curve.scale[:-1]).max() < 100)

    if direction is not None:
        away = correct(curve, z + 0.005 * direction * curve.scale, direction)
        if away is None:
            return z[None]
        return np.vstack([z, trace(curve, away, tangent(curve, away, direction), inside)])
    ahead = tangent(curve, z)
    forward, backward = (trace(curve, z, way, inside) for way in (ahead, -ahead))
    if len(forward) > 3 and np.array_equal(forward[-1], z):  # closed: once round is enough
        return forward
    return np.vstack([backward[:0:-1], forward])


def _within(value: float, low: float, high: float) -> bool:
    """Strictly inside the span: at its ends parameters such as η = 0 often leave a line of equilibria."""
    margin = 1e-9 * (high - low)
    return bool(low + margin < value < high - margin)


def _ways_out(curve: Curve, z: np.ndarray) -> list[np.ndarray]:
    """Directions of the branches through a branch point, from the quadratic form on the kernel."""
    kernel = np.linalg.svd(curve.jacobian(z) * curve.scale)[2][-2:]
    cokernel = np.linalg.svd((curve.jacobian(z) * curve.scale).T)[2][-1]
    h = 1e-4

    def second(a: np.ndarray, b: np.ndarray) -> float:
        there, back = (cokernel @ (curve.jacobian(z + s * h * a * curve.scale) * curve.scale) @ b for s in (1, -1))
        return float((there - back) / (2 * h))

    a, b, c = second(kernel[0], kernel[0]), second(kernel[0], kernel[1]), second(kernel[1], kernel[1])
    angles = np.linspace(0, np.pi, 721)
    form = a * np.cos(angles) ** 2 + 2 * b * np.sin(angles) * np.cos(angles) + c * np.sin(angles) ** 2
    roots = [
        angles[i] + (angles[i + 1] - angles[i]) * form[i] / (form[i] - form[i + 1])
        for i in range(len(angles) - 1)
        if form[i] * form[i + 1] < 0 or form[i] == 0
    ]
    ways = [np.cos(t) * kernel[0] + np.sin(t) * kernel[1] for t in roots]
    return [sign * way for way in ways for sign in (1, -1)]


def _on(curve: Curve, z: np.ndarray, branch: np.ndarray) -> bool:
    """Whether a point lies on a traced branch."""
    points, way = branch / curve.scale, z / curve.scale
    steps = np.diff(points, axis=0)
    length = np.maximum((steps**2).sum(1), 1e-300)
    share = np.clip(((way - points[:-1]) * steps).sum(1) / length, 0, 1)
    gap = np.linalg.norm(points[:-1] + share[:, None] * steps - way, axis=1)
    return bool(gap.min() < 1e-3)


def _same(curve: Curve, a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.linalg.norm((a - b) / curve.scale) < 1e-5)


def _dataset(field: ParameterField, branches: list[np.ndarray]) -> xr.Dataset:
    longest = max((len(branch) for branch in branches), default=0)
    values = np.full((len(field.names), len(branches), longest), np.nan)
    growth = np.full((len(branches), longest), np.nan)
    for index, branch in enumerate(branches):
        values[:, index, : len(branch)] = branch.T
        growth[index, : len(branch)] = [field.eigenvalues(z)[0].real for z in branch]
    stable = np.where(np.isnan(growth), -1, growth < _NEUTRAL).astype(np.int8)
    dims = ("branch", "along")
    variables = {name: (dims, values[index]) for index, name in enumerate(field.names)}
    return xr.Dataset({**variables, "growth": (dims, growth), "stable": (dims, stable)})
