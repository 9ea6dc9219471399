"""Where nothing moves: all equilibria of a flow, isolated ones and curves of them, with their stability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import sympy

from dynsim.analysis.algebra.algebraic_set import Piece, real_solutions
from dynsim.analysis.algebra.deadline import CutOff
from dynsim.analysis.algebra.equilibrium import Equilibria, Equilibrium
from dynsim.analysis.algebra.equilibrium_search import search
from dynsim.analysis.algebra.exact_values import at_exact_values
from dynsim.analysis.algebra.generators import Rationaliser
from dynsim.analysis.algebra.line_stability import changes_along, eigenvalues_along
from dynsim.analysis.boxes import Box, box_of, drawn_box
from dynsim.analysis.stability import in_order, kind_of
from dynsim.field import Field
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["equilibria"]

# Seconds for the exact search.
_BUDGET = 10.0
# Where a curve is looked at when neither a box nor a view says where.
_FAR = 100.0
_DIGITS = 50
_ROUNDING = 1e-14  # a coordinate that is smaller, in units of the searched box, is zero
_BESIDE, _JUMP = 1e-10, 1e-3  # how far beside a point to look, how fast the field may be there, in units of the box


def equilibria(
    flow: Flow, parameters: Mapping[Any, Any] | None = None, *, box: Mapping[Any, Any] | None = None
) -> Equilibria:
    """Find the equilibria of a flow and say how stable they are.

    Parameters
    ----------
    flow : Flow
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default. Integers, fractions and SymPy
        numbers give exact points back, floats give floats.
    box : mapping, optional
        ``{state: (low, high)}``, for some or all states: only what lies inside, and curves that meet it.

    Returns
    -------
    Equilibria
        A sequence of `Equilibrium`, curves first; prints as a table. `complete` is True if it is proven that
        there are no others: polynomial equations are solved exactly. Where that does not work, or would run
        long, a seeded numeric search in the box (by default the flow's view) takes its place.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No flow, an unknown or missing parameter, one at which the right-hand side is infinite, an empty box.

    Notes
    -----
    Stability is that of the field's Jacobian, taken after the stop-gradient is resolved: the Hessian of a
    loss with stop-gradient says something else.

    Examples
    --------
    >>> import dynsim
    >>> found = dynsim.equilibria(dynsim.system("toy"))
    >>> print(found)
    kind  where                eigenvalues       stability changes at
    line  phi free, theta = 0  -phi*(phi - 1), 0 phi = 0, theta = 0; phi = 1, theta = 0
    line  phi = 1, theta free  -theta**2, 0
    (complete)
    >>> decayed = dynsim.system("scalar").fix(sigma2=0, eta_p="eta", eta_s="eta")
    >>> [item.kind for item in dynsim.equilibria(decayed, {"eta": 0.1}, box={"theta": (0.01, 2)})]
    ['saddle', 'stable node']
    """
    flow = as_flow(flow)
    flow.require_autonomous("equilibria")
    region = box_of(flow, box)
    fixed, exact = at_exact_values(flow, parameters)
    field = flow.field(parameters)
    try:
        pieces = _solve(fixed)
        found = [item for piece in pieces if (item := _described(fixed, field, piece, region, exact)) is not None]
    except (CutOff, TypeError, NotImplementedError, RecursionError) as error:
        reason = error if isinstance(error, CutOff) else f"a limit of SymPy ({type(error).__name__})"
        note = f"seeded numeric search in {drawn_box(flow, region)}, because the exact one met {reason}"
        return Equilibria(_searched(flow, field, drawn_box(flow, region)), False, note)
    return Equilibria(sorted(found, key=_order), True)


def _order(item: Equilibrium) -> tuple[Any, ...]:
    return (item.curve is None, *(float(value) for value in item.point.values()))


def _solve(flow: Flow) -> list[Piece]:
    """Real zeros of the right-hand side, in the flow's own symbols."""
    own = [flow.symbols[name] for name in flow.states]
    states = [sympy.Dummy(name, real=True) for name in flow.states]
    rational = Rationaliser(states)
    entries = [rational(entry.xreplace(dict(zip(own, states, strict=True)))) for entry in flow.rhs]
    if rational.constants:
        raise CutOff("an irrational number")
    functions = {symbol: bool(item.meaning.is_positive) for symbol, item in rational.generators.items()}
    numerators = [sympy.numer(sympy.together(entry)) for entry in entries]
    back = dict(zip(states, own, strict=True))
    return [
        {back[symbol]: value.xreplace(back) for symbol, value in piece.items()}
        for piece in real_solutions(numerators, states, _BUDGET, functions)
    ]


def _described(flow: Flow, field: Field, piece: Piece, box: Box, exact: bool) -> Equilibrium | None:
    """An equilibrium from a solution; None if it lies outside the box or where the field is singular."""
    values = {name: piece[flow.symbols[name]] for name in flow.states}
    free = next((name for name, value in values.items() if value == flow.symbols[name]), None)
    if free is not None:
        return _curve(flow, field, values, free, box, exact)
    if not box.contains(values) or not _rests(field, values):
        return None
    jacobian = flow.jacobian.subs(piece).evalf(_DIGITS)
    eigenvalues = _eigenvalues(jacobian)
    return Equilibrium(values if exact else _floats(values), None, in_order(eigenvalues), kind_of(eigenvalues))


def _eigenvalues(jacobian: sympy.Matrix) -> list[complex]:
    """Eigenvalues to more digits than a float has, so that a double zero is not mistaken for two small numbers."""
    if jacobian.rows == 1:
        return [complex(jacobian[0])]
    with mpmath.workdps(_DIGITS):
        found = mpmath.eig(mpmath.matrix(jacobian.tolist()), left=False, right=False)
        return [complex(mpmath.chop(value, 1e-20)) for value in found]


def _rests(field: Field, point: Mapping[str, Any]) -> bool:
    """Whether the field is finite there: a zero of the numerators may be one of the denominators too."""
    return bool(np.isfinite(field.f(0.0, np.array([float(value) for value in point.values()]))).all())


def _curve(
    flow: Flow, field: Field, curve: dict[str, sympy.Expr], free: str, box: Box, exact: bool
) -> Equilibrium | None:
    symbol = flow.symbols[free]
    point = _representative(flow, field, curve, free, box)
    if point is None:
        return None
    eigenvalues = eigenvalues_along(flow.jacobian.subs({flow.symbols[n]: e for n, e in curve.items()}))
    low, high = box.sides.get(free, (-_FAR, _FAR))
    places = changes_along(eigenvalues, symbol, low, high)
    changes = tuple({n: e.subs(symbol, place) for n, e in curve.items()} for place in places)
    if exact:
        return Equilibrium(point, curve, eigenvalues, "line", changes)
    curve = {name: _decimal(expr) for name, expr in curve.items()}
    eigenvalues = tuple(_decimal(expr) for expr in eigenvalues)
    return Equilibrium(_floats(point), curve, eigenvalues, "line", tuple(_floats(c) for c in changes))


def _decimal(expr: sympy.Expr) -> sympy.Expr:
    """Long fractions as decimals; short ones, exponents among them, stay."""
    return expr.xreplace({number: number.evalf(17) for number in expr.atoms(sympy.Rational) if number.q > 1000})


def _representative(
    flow: Flow, field: Field, curve: dict[str, sympy.Expr], free: str, box: Box
) -> dict[str, sympy.Expr] | None:
    """A point of the curve inside the box, the default value of the free state if that will do."""
    low, high = box.sides.get(free) or flow.view.get(free) or (-_FAR, _FAR)
    usual = [flow.defaults.get(free, 1), 1, sympy.Rational(1, 2), -1]
    for number in [*usual, *np.linspace(low, high, 1001)]:
        value = sympy.Rational(str(number))
        point = {name: expr.subs(flow.symbols[free], value) for name, expr in curve.items()}
        real = all(v.is_real and v.is_finite for v in point.values())
        if real and box.contains(point) and _rests(field, point):
            return point
    return None


def _floats(point: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in point.items()}


def _jumps(field: Field, point: np.ndarray, beside: float, fast: float) -> bool:
    """Whether the field vanishes on one side of the point only: there it jumps, and nothing rests."""
    steps = np.concatenate([np.zeros((len(point), 1)), np.eye(len(point)), -np.eye(len(point))], axis=1)
    with np.errstate(all="ignore"):
        velocity = np.abs(field.f(0.0, point[:, None] + beside * steps))
    return bool((velocity[np.isfinite(velocity)] > fast).any())


def _searched(flow: Flow, field: Field, box: Box) -> list[Equilibrium]:
    low, high = np.array([box.sides[name] for name in flow.states], dtype=float).T
    size = float(np.linalg.norm(high - low))
    middle = np.abs(field.jacobian(0.0, np.linspace(low, high, 7).T))
    slopes = middle[np.isfinite(middle)]
    scale, fast = float(np.median(slopes)), _JUMP * size * float(np.mean(slopes))
    found = []
    for point, curve in search(field, low, high):
        eigenvalues = in_order(np.linalg.eigvals(field.jacobian(0.0, point)))
        kind = "line" if curve is not None else kind_of(eigenvalues, zero=1e-7, scale=scale)
        trace = None if curve is None else dict(zip(flow.states, curve.T, strict=True))
        point = np.where(np.abs(point) < _ROUNDING * size, 0.0, point)
        if curve is None and _jumps(field, point, _BESIDE * size, fast):
            continue
        where = dict(zip(flow.states, map(float, point), strict=True))
        found.append(Equilibrium(where, None, eigenvalues, kind, trace=trace))
    return sorted(found, key=_order)
