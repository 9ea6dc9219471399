"""Where folds lie in the plane of two parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
import xarray as xr

from dynsim.analysis.numerics.arclength import Curve, tangent, trace
from dynsim.analysis.numerics.parameter_field import ParameterField, span_of
from dynsim.analysis.numerics.special_points import fold as solve_fold
from dynsim.errors import InvalidType, bad, unknown
from dynsim.integrate.validation import numbers
from dynsim.records import stamp
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import compile_expressions
from dynsim.symbolic.sources import as_flow

__all__ = ["fold_curve"]

_NEAR = 0.1  # how far, relative to its size, a given fold may be from the exact one


def fold_curve(
    flow: Flow,
    pair: tuple[Any, Any],
    fold: Mapping[Any, float],
    *,
    parameters: Mapping[Any, Any] | None = None,
    span: Mapping[Any, Any] | None = None,
) -> xr.Dataset:
    """Follow a fold as two parameters vary.

    Parameters
    ----------
    flow : Flow
    pair : pair of str or Symbol
        The two parameters (a, b).
    fold : mapping
        A fold that `continuation` found in the first of them, ``{name: value}`` of the states and the parameters;
        a parameter that is not in it is read from `parameters`, else from the system's default.
    parameters : mapping, optional
        Values of the other parameters; they override those in `fold`.
    span : mapping, optional
        ``{parameter: (low, high)}``; by default the flow's ranges, else within a factor of ten.

    Returns
    -------
    xarray.Dataset
        Both parameters and every state over `along`.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        An unknown or repeated parameter, a point that is no fold.

    References
    ----------
    Kuznetsov, Elements of Applied Bifurcation Theory (2004), section 10.3.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.gradient_flow("w^3/3 - (mu - nu)*w", ["w"])  # folds on the line mu = nu
    >>> curve = dynsim.fold_curve(flow, ("mu", "nu"), {"w": 0, "mu": 0.3, "nu": 0.3})
    >>> float(abs(curve.mu - curve.nu).max()) < 1e-9
    True
    """
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise bad("pair", pair, "two parameters (a, b)", kind=InvalidType)
    a, b = (name_of("pair", name) for name in pair)
    if a == b:
        raise bad("pair", pair, "two different parameters")
    flow = as_flow(flow)
    flow.require_autonomous("a fold curve")
    point = numbers("fold", fold)
    for name in point:
        if name not in (*flow.states, *flow.parameters):
            raise unknown("name in fold", name, (*flow.states, *flow.parameters))
    given = {name: value for name, value in point.items() if name in flow.parameters and name not in (a, b)}
    given |= {name_of("parameters", key): value for key, value in (parameters or {}).items()}
    second = point.get(b, given.pop(b, flow.defaults.get(b)))
    field = ParameterField(flow, (a, b), given)
    missing = [name for name in (*flow.states, a) if name not in point]
    if missing or second is None:
        raise bad("fold", dict(fold), f"a value for {', '.join(missing or [b])}")

    single = ParameterField(flow, (a,), {**given, b: second})
    guess = np.array([*(point[name] for name in flow.states), point[a]])
    scale = np.where(guess == 0, 1.0, np.abs(guess))
    solved = solve_fold(single, guess, scale)
    exact = guess if solved is None else solved.z
    if solved is None or (np.abs(exact - guess) > _NEAR * (1 + np.abs(guess))).any():
        raise bad("fold", dict(fold), "a point near a fold", "take one of continuation(…).folds")
    (function, jacobian), start = _extended(field, exact, float(second))
    bounds = {name: _bounds(flow, name, value, span) for name, value in ((a, start[-2]), (b, start[-1]))}
    scale = np.concatenate([np.ones(len(start) - 2), [np.ptp(bounds[a]), np.ptp(bounds[b])]])
    curve = Curve(function, jacobian, scale)

    def leaves(z: np.ndarray) -> str:
        within = all(low <= value <= high for value, (low, high) in zip(z[-2:], bounds.values(), strict=True))
        return "" if within else "leaves the span"

    ahead = tangent(curve, start)
    forward, backward = (trace(curve, start, way, leaves) for way in (ahead, -ahead))
    points = np.vstack([backward.points[:0:-1], forward.points])
    n = len(flow.states)
    states = {name: ("along", points[:, index]) for index, name in enumerate(flow.states)}
    data = xr.Dataset({**states, a: ("along", points[:, 2 * n]), b: ("along", points[:, 2 * n + 1])})
    return stamp(
        data,
        kind="fold-curve",
        flow=flow.about(),
        parameters=field.fixed,
        pair=[a, b],
        ended=[backward.end, forward.end],
    )


def _extended(field: ParameterField, exact: np.ndarray, second: float) -> tuple[Any, np.ndarray]:
    """The equations f = 0, ∂f/∂y·v = 0, |v| = 1 in (y, v, a, b), with their derivatives, and a first point."""
    flow, n = field.flow, len(field.flow.states)
    states = [flow.symbols[name] for name in flow.states]
    vector = list(sympy.symbols(f"v0:{n}", cls=sympy.Dummy))
    free = [flow.symbols[name] for name in field.free]
    equations = [*flow.rhs, *(flow.jacobian * sympy.Matrix(vector)), sum(v**2 for v in vector) - 1]
    unknowns = [*states, *vector, *free]
    matrix = sympy.Matrix(equations).jacobian(unknowns)
    arguments = [*unknowns, *(flow.symbols[name] for name in field.fixed)]
    raw, raw_matrix = compile_expressions(equations, arguments), compile_expressions(list(matrix), arguments)
    constants = tuple(field.fixed.values())

    def function(z: np.ndarray) -> np.ndarray:
        return np.array([float(value) for value in raw(*z, *constants)])

    def jacobian(z: np.ndarray) -> np.ndarray:
        return np.array([float(value) for value in raw_matrix(*z, *constants)]).reshape(matrix.shape)

    z = np.array([*exact[:n], exact[n], second])
    kernel = np.linalg.svd(field.jacobian(z)[:, :n])[2][-1]
    return (function, jacobian), np.concatenate([exact[:n], kernel, [exact[n], second]])


def _bounds(flow: Flow, name: str, value: float, span: Mapping[Any, Any] | None) -> tuple[float, float]:
    given = {name_of("span", key): side for key, side in (span or {}).items()}
    if name in given:
        return span_of(f"span['{name}']", given[name])
    low, high = flow.ranges.get(name, (-10.0, 10.0) if value == 0 else sorted((value / 10, value * 10)))
    return min(low, value), max(high, value)
