"""Where folds and Hopf points lie in the plane of two parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
import xarray as xr
from scipy.optimize import brentq

from dynsim.analysis.numerics.arclength import Curve, Traced, correct, tangent, trace
from dynsim.analysis.numerics.parameter_field import ParameterField, span_of
from dynsim.analysis.numerics.special_points import SpecialPoint, lyapunov
from dynsim.analysis.numerics.special_points import fold as solve_fold
from dynsim.analysis.numerics.special_points import hopf as solve_hopf
from dynsim.analysis.numerics.start_search import widths_of
from dynsim.arguments import a_mapping, a_word
from dynsim.errors import InvalidType, bad
from dynsim.integrate.validation import numbers
from dynsim.records import stamp
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import VectorFunction
from dynsim.symbolic.sources import as_flow

__all__ = ["fold_curve", "hopf_curve"]

_NO_TURN = "a Bogdanov-Takens point: the frequency is 0"
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

    See Also
    --------
    hopf_curve : the same for the birth of a cycle.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.gradient_flow("w^3/3 - (mu - nu)*w", ["w"])  # folds on the line mu = nu
    >>> curve = dynsim.fold_curve(flow, ("mu", "nu"), {"w": 0, "mu": 0.3, "nu": 0.3})
    >>> float(abs(curve.mu - curve.nu).max()) < 1e-9
    True
    """
    flow, field, exact = _solved(flow, pair, "fold", fold, parameters, solve_fold)
    (function, jacobian), start = _extended(field, exact)
    bounds = [_bounds(flow, name, value, span) for name, value in zip(field.free, start[-2:], strict=True)]
    curve = Curve(function, jacobian, np.concatenate([np.ones(len(start) - 2), np.ptp(bounds, axis=1)]))

    def leaves(z: np.ndarray) -> str:
        return "" if _within(z[-2:], bounds) else "leaves the span"

    ahead = tangent(curve, start)
    forward, backward = (trace(curve, start, way, leaves) for way in (ahead, -ahead))
    points = np.vstack([backward.points[:0:-1], forward.points])
    n = len(flow.states)
    states = {name: ("along", points[:, index]) for index, name in enumerate(flow.states)}
    free = {name: ("along", points[:, 2 * n + index]) for index, name in enumerate(field.free)}
    data = xr.Dataset({**states, **free})
    return stamp(
        data,
        kind="fold-curve",
        flow=flow.about(),
        parameters=field.fixed,
        pair=list(field.free),
        ended=[backward.end, forward.end],
    )


def hopf_curve(
    flow: Flow,
    pair: tuple[Any, Any],
    hopf: Mapping[Any, float],
    *,
    parameters: Mapping[Any, Any] | None = None,
    span: Mapping[Any, Any] | None = None,
) -> xr.Dataset:
    """Follow a Hopf point as two parameters vary.

    Parameters
    ----------
    flow : Flow
    pair : pair of str or Symbol
        The two parameters (a, b).
    hopf : mapping
        A Hopf point that `continuation` found in the first of them, ``{name: value}`` of the states and the
        parameters; a parameter that is not in it is read from `parameters`, else from the system's default.
    parameters : mapping, optional
        Values of the other parameters; they override those in `hopf`.
    span : mapping, optional
        ``{parameter: (low, high)}``; by default the flow's ranges, else within a factor of ten.

    Returns
    -------
    xarray.Dataset
        Both parameters and every state over `along`; `hopf_frequency`, the angular frequency ω of the cycle that is
        born there; `lyapunov`, the first Lyapunov coefficient, negative where that cycle attracts within the plane in
        which it is born; `unstable_others`, how many other eigenvalues have a positive real part. Attribute `special`:
        the points of codimension two on the curve, each with its kind: "Bogdanov-Takens" (ω = 0, the curve ends),
        "Bautin" (the coefficient changes sign), "zero-Hopf" (a third eigenvalue crosses 0) and "double Hopf".

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        An unknown or repeated parameter, a point that is no Hopf point.

    References
    ----------
    Kuznetsov, Elements of Applied Bifurcation Theory (2004), sections 8.3 to 8.6 and 10.3.

    See Also
    --------
    continuation : finds the Hopf points.
    fold_curve : the same for folds.
    limit_cycles : the cycle itself.

    Examples
    --------
    The Brusselator oscillates from b = 1 + a² on, with frequency a:

    >>> import dynsim
    >>> flow = dynsim.Flow.of({"x": dynsim.Move("a + x^2*y - (b+1)*x"), "y": dynsim.Move("b*x - x^2*y")})
    >>> curve = dynsim.hopf_curve(flow, ("b", "a"), {"x": 1, "y": 2, "a": 1, "b": 2})
    >>> bool(abs(curve.b - 1 - curve.a**2).max() < 1e-8), bool(abs(curve.hopf_frequency - curve.a).max() < 1e-8)
    (True, True)
    """
    flow, field, exact = _solved(flow, pair, "hopf", hopf, parameters, solve_hopf)
    turning = _Turning(field, exact)
    start, n = turning.start, len(flow.states)
    bounds = [_bounds(flow, name, value, span) for name, value in zip(field.free, exact[n:], strict=True)]
    sizes = _sizes(flow, exact[:n])
    scale = np.concatenate([sizes, np.ones(2 * n), [start[-3]], np.ptp(bounds, axis=1)])
    curve = Curve(turning.function, turning.jacobian, scale)

    def leaves(x: np.ndarray) -> str:
        turning.face(x)
        if x[-3] <= 0:
            return _NO_TURN
        return "" if _within(x[-2:], bounds) else "leaves the span"

    def way(direction: np.ndarray) -> Traced:
        turning.face(start)
        found = trace(curve, start, direction, leaves)
        if found.end != _NO_TURN:
            return found
        # The last point is past ω = 0, where the curve turns back with the sign of ω changed. At ω = 0 itself the
        # equations are singular, but everything is a function of ω²: solve for two small ω, and extrapolate.
        turning.face(found.points[-2])
        small, near = 1e-3 * start[-3], np.eye(len(start))[-3]
        two = [found.points[-2]]
        for omega in (2 * small, small):
            guess = two[-1].copy()
            guess[-3] = omega
            solved = correct(curve, guess, near)
            if solved is None:
                return Traced(found.points[:-1], found.end)
            two.append(solved)
        last = np.asarray((4 * two[2] - two[1]) / 3)
        last[-3] = 0.0
        return Traced(np.vstack([found.points[:-1], *two[1:], last]), found.end)

    ahead = tangent(curve, start)
    forward = way(ahead)
    backward = Traced(start[None], forward.end) if forward.end == "closed" else way(-ahead)
    points = np.vstack([backward.points[:0:-1], forward.points])
    z = points[:, [*range(n), -2, -1]]
    others = [turning.others(x) for x in points]
    unstable = np.array([int((values.real > 0).sum()) for values in others])
    bend = np.array(
        [
            lyapunov(field, at, np.append(sizes, [1.0, 1.0])) if x[-3] > 0 else np.nan
            for at, x in zip(z, points, strict=True)
        ]
    )
    data = xr.Dataset({name: ("along", z[:, index]) for index, name in enumerate(field.names)})
    data["hopf_frequency"] = ("along", points[:, -3], {"long_name": "angular frequency"})
    data["lyapunov"] = ("along", bend, {"long_name": "first Lyapunov coefficient"})
    data["unstable_others"] = ("along", unstable, {"long_name": "other eigenvalues with a positive real part"})

    def at(left: np.ndarray, right: np.ndarray, measure: Callable[[np.ndarray], float], kind: str) -> dict[str, Any]:
        """The point between two neighbours at which a measure changes sign."""
        turning.face(left)
        along = (right - left) / scale
        along = along / np.linalg.norm(along)

        def point(share: float) -> np.ndarray:
            found = correct(curve, left + share * (right - left), along)
            return left + share * (right - left) if found is None else found

        share = brentq(lambda share: measure(point(share)), 0.0, 1.0, xtol=1e-12)
        found = point(share)
        return {"kind": kind, **field.named(found[[*range(n), -2, -1]])}

    special = []
    for end, x in ((backward.end, points[0]), (forward.end, points[-1])):
        if end == _NO_TURN:
            special.append({"kind": "Bogdanov-Takens", **field.named(x[[*range(n), -2, -1]])})
    for i, (left, right) in enumerate(pairwise(points)):
        if bend[i] * bend[i + 1] < 0:

            def coefficient(x: np.ndarray) -> float:
                return lyapunov(field, x[[*range(n), -2, -1]], np.append(sizes, [1.0, 1.0]))

            special.append(at(left, right, coefficient, "Bautin"))
        if unstable[i] != unstable[i + 1]:
            order = min(unstable[i], unstable[i + 1])

            def growth(x: np.ndarray, order: int = int(order)) -> float:
                return float(turning.others(x)[order].real)

            real = np.abs(others[i][order].imag) < 1e-9 * np.abs(others[i]).max()
            special.append(at(left, right, growth, "zero-Hopf" if real else "double Hopf"))
    return stamp(
        data,
        kind="hopf-curve",
        flow=flow.about(),
        parameters=field.fixed,
        pair=list(field.free),
        ended=[backward.end, forward.end],
        special=special,
    )


class _Turning:
    """The equations f = 0, f_y·q = iωq, c·q = 1 in (y, Re q, Im q, ω, a, b): equilibria with the eigenvalue iω.

    The vector c is renewed at every point of the curve (`face`), so that it never gets orthogonal to q.
    """

    def __init__(self, field: ParameterField, z: np.ndarray) -> None:
        self.field, self.n = field, field.size
        values, vectors = np.linalg.eig(field.jacobian(z)[:, : self.n])
        chosen = int(np.argmin(np.where(values.imag > 0, np.abs(values.real), np.inf)))
        q = vectors[:, chosen] / np.linalg.norm(vectors[:, chosen])
        self.start = np.concatenate([z[: self.n], q.real, q.imag, [values[chosen].imag], z[self.n :]])
        self.face(self.start)

    def _parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        n = self.n
        return np.concatenate([x[:n], x[-2:]]), x[n : 2 * n], x[2 * n : 3 * n], float(x[-3])

    def face(self, x: np.ndarray) -> None:
        """Measure the phase of q against that of a point."""
        _, a, b, _ = self._parts(x)
        q = a + 1j * b
        self.c = q.conj() / (a @ a + b @ b)

    def function(self, x: np.ndarray) -> np.ndarray:
        z, a, b, omega = self._parts(x)
        matrix = self.field.jacobian(z)[:, : self.n]
        phase = self.c @ (a + 1j * b) - 1
        return np.concatenate(
            [self.field.function(z), matrix @ a + omega * b, matrix @ b - omega * a, [phase.real, phase.imag]]
        )

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        n = self.n
        z, a, b, omega = self._parts(x)
        jacobian, bent = self.field.jacobian(z), self.field.second(z)[:, :n]
        matrix, turn = jacobian[:, :n], omega * np.eye(n)
        rows = np.zeros((3 * n + 2, 3 * n + 3))
        states = [*range(n), 3 * n + 1, 3 * n + 2]  # the columns of y and of the parameters
        rows[:n, states] = jacobian
        for first, (vector, left, right, frequency) in zip(
            (n, 2 * n), ((a, matrix, turn, b), (b, -turn, matrix, -a)), strict=True
        ):
            block = rows[first : first + n]
            block[:, states] = np.einsum("ijk,j->ik", bent, vector)
            block[:, n : 2 * n], block[:, 2 * n : 3 * n], block[:, 3 * n] = left, right, frequency
        rows[3 * n, n : 3 * n] = np.concatenate([self.c.real, -self.c.imag])
        rows[3 * n + 1, n : 3 * n] = np.concatenate([self.c.imag, self.c.real])
        return rows

    def others(self, x: np.ndarray) -> np.ndarray:
        """The eigenvalues beside ±iω, by descending real part."""
        z, _, _, omega = self._parts(x)
        values = self.field.eigenvalues(z)
        for pair in (1j * omega, -1j * omega):
            values = np.delete(values, int(np.argmin(np.abs(values - pair))))
        return values


def _solved(
    flow: Any,
    pair: Any,
    kind: str,
    given: Any,
    parameters: Mapping[Any, Any] | None,
    solve: Callable[[ParameterField, np.ndarray, np.ndarray], SpecialPoint | None],
) -> tuple[Flow, ParameterField, np.ndarray]:
    """Check what is given of a special point, and return it solved for: states and both parameters."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise bad("pair", pair, "two parameters (a, b)", kind=InvalidType)
    a, b = (name_of("pair", name) for name in pair)
    if a == b:
        raise bad("pair", pair, "two different parameters")
    flow = as_flow(flow)
    flow.require_autonomous(f"a {kind.capitalize() if kind == 'hopf' else kind} curve")
    if kind == "hopf" and len(flow.states) < 2:
        raise bad("flow", flow.states, "at least two states", "a flow of one state has no Hopf points")
    point = numbers(kind, given)
    point.pop("lyapunov", None)  # which `continuation` tells of its Hopf points
    for name in point:
        a_word(f"name in {kind}", name, (*flow.states, *flow.parameters))
    others = {name: value for name, value in point.items() if name in flow.parameters and name not in (a, b)}
    others |= numbers("parameters", a_mapping("parameters", parameters))
    second = point.get(b, others.pop(b, flow.defaults.get(b)))
    field = ParameterField(flow, (a, b), others)
    missing = [name for name in (*flow.states, a) if name not in point]
    if missing or second is None:
        raise bad(kind, dict(given), f"a value for {', '.join(missing or [b])}")
    single = ParameterField(flow, (a,), {**others, b: second})
    guess = np.array([*(point[name] for name in flow.states), point[a]])
    scale = np.append(_sizes(flow, guess[:-1]), abs(guess[-1]) or 1.0)
    solved = solve(single, guess, scale)
    exact = guess if solved is None else solved.z
    if solved is None or (np.abs(exact - guess) > _NEAR * (1 + np.abs(guess))).any():
        name, entries = ("Hopf point", "hopf") if kind == "hopf" else ("fold", "folds")
        raise bad(kind, dict(given), f"a point near a {name}", f"take one of continuation(…).{entries}")
    return flow, field, np.append(exact, float(second))


def _sizes(flow: Flow, point: np.ndarray) -> np.ndarray:
    """Typical sizes of the states: those of a point, or of the flow's view where the point is 0 up to rounding."""
    widths, size = np.array(widths_of(flow)), np.abs(point)
    return np.where(size > 1e-9 * widths, size, widths)


def _within(values: np.ndarray, bounds: list[tuple[float, float]]) -> bool:
    return all(low <= value <= high for value, (low, high) in zip(values, bounds, strict=True))


def _extended(field: ParameterField, z: np.ndarray) -> tuple[Any, np.ndarray]:
    """The equations f = 0, ∂f/∂y·v = 0, |v| = 1 in (y, v, a, b), with their derivatives, and a first point."""
    flow, n = field.flow, len(field.flow.states)
    states = [flow.symbols[name] for name in flow.states]
    vector = list(sympy.symbols(f"v0:{n}", cls=sympy.Dummy))
    free = [flow.symbols[name] for name in field.free]
    equations = [*flow.rhs, *(flow.jacobian * sympy.Matrix(vector)), sum(v**2 for v in vector) - 1]
    unknowns = [*states, *vector, *free]
    matrix = sympy.Matrix(equations).jacobian(unknowns)
    fixed, constants = [flow.symbols[name] for name in field.fixed], tuple(field.fixed.values())
    values, slopes = (VectorFunction(entries, unknowns, fixed) for entries in (equations, matrix))

    def function(z: np.ndarray) -> np.ndarray:
        return values(0.0, z, constants)

    def jacobian(z: np.ndarray) -> np.ndarray:
        return slopes(0.0, z, constants)

    kernel = np.linalg.svd(field.jacobian(z)[:, :n])[2][-1]
    return (function, jacobian), np.concatenate([z[:n], kernel, z[n:]])


def _bounds(flow: Flow, name: str, value: float, span: Mapping[Any, Any] | None) -> tuple[float, float]:
    given = {name_of("span", key): side for key, side in a_mapping("span", span).items()}
    if name in given:
        return span_of(f"span['{name}']", given[name])
    low, high = flow.ranges.get(name, (-10.0, 10.0) if value == 0 else sorted((value / 10, value * 10)))
    return min(low, value), max(high, value)
