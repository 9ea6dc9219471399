"""Where nothing moves: all equilibria of a flow, isolated ones and curves of them, with their stability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, pairwise, product
from typing import Any

import mpmath
import numpy as np
import sympy

from dynsim.analysis.algebra.algebraic_set import Piece, free_in, real_solutions
from dynsim.analysis.algebra.deadline import CutOff
from dynsim.analysis.algebra.equilibrium import Equilibria, Equilibrium
from dynsim.analysis.algebra.equilibrium_search import search, vanishes
from dynsim.analysis.algebra.exact_values import at_exact_values
from dynsim.analysis.algebra.generators import Rationaliser
from dynsim.analysis.algebra.line_stability import (
    changes_along,
    closed_eigenvalues,
    crossings,
    eigenvalues_along,
    ends_of,
    is_real,
)
from dynsim.analysis.boxes import Box, box_of, drawn_box
from dynsim.analysis.stability import in_order, kind_of
from dynsim.budget import OutOfTime, items_within
from dynsim.field import Field
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["equilibria"]

# Seconds for the exact search.
_BUDGET = 10.0
# Where a curve is looked at when neither a box nor a view says where.
_FAR = 100.0
_DIGITS = 50
_ZERO = sympy.Float(10) ** -30  # the field at an exact zero, in fifty digits
_STEP, _JUMPS = sympy.Rational(1, 10**24), sympy.Float(10) ** -6  # how far beside it to look, how fast it may be there
_KINKS = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min, sympy.Piecewise)
_SIGNS, _TRIES, _SAME = 5, 200, 1e-6  # kinks; places to look for a point of a surface; what counts as found twice
_BETWEEN = 33  # places looked at between two findings
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

    See Also
    --------
    continuation : the same over a parameter.
    outcome : where one run ends.

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
    plain = Flow(fixed.states, fixed.rhs, fixed.symbols, defaults=flow.defaults, view=flow.view)
    found: list[Equilibrium] = []
    about = {"flow": flow.about(), "parameters": field.about["parameters"]}
    try:
        found.extend(items_within(_BUDGET, _solved, plain, region, exact))
    except (OutOfTime, CutOff, TypeError, NotImplementedError, RecursionError) as error:
        reason = error if isinstance(error, CutOff | OutOfTime) else f"a limit of SymPy ({type(error).__name__})"
        searched = drawn_box(flow, region)
        more = _searched(flow, field, searched)
        found = [item for item in found if not any(_lies_on(item, curve) for curve in more)]
        more = [item for item in more if not any(_is_among(item, known, field) for known in found)]
        note = f"seeded numeric search in {searched}, because the exact one met {reason}"
        return Equilibria(sorted([*found, *more], key=_order), False, note, flow.states, about)
    return Equilibria(sorted(found, key=_order), True, "", flow.states, about)


def _is_among(item: Equilibrium, known: Equilibrium, field: Field) -> bool:
    """Whether a numeric finding is one of an exact list."""
    point = np.array([float(value) for value in item.point.values()])
    if known.curve is None:
        there = np.array([float(value) for value in known.point.values()])
        # Newton's method ends short of a degenerate zero: it is the same if the field vanishes all the way to it.
        between = there[:, None] + (point - there)[:, None] * np.linspace(0, 1, _BETWEEN)
        if item.trace is None and known.kind == "non-hyperbolic" and vanishes(field, between).all():
            return True
    elif known.free is None:
        return item.dimension > 1
    else:
        there = np.array([float(known.along(item.point[known.free])[name]) for name in item.point])
    return bool(np.linalg.norm(point - there) <= _SAME * (1 + np.linalg.norm(point)))


def _lies_on(item: Equilibrium, curve: Equilibrium) -> bool:
    """Whether an exact point is one of a curve that was found numerically: a singular point of it."""
    if item.curve is not None or item.kind != "non-hyperbolic" or curve.trace is None:
        return False
    point = np.array([float(value) for value in item.point.values()])
    trace = np.array(list(curve.trace.values())).T
    steps = np.linalg.norm(np.diff(trace, axis=0), axis=1)
    return bool(np.linalg.norm(trace - point, axis=1).min() <= steps.max())


def _order(item: Equilibrium) -> tuple[Any, ...]:
    return (item.curve is None, *(float(value) for value in item.point.values()))


def _solved(flow: Flow, box: Box, exact: bool) -> Iterator[Equilibrium]:
    """Real zeros of a right-hand side without parameters, one after the other."""
    field = flow.field()
    known: list[Piece] = []
    for piece in _pieces(flow):
        if piece not in known:
            known.append(piece)
            item = _described(flow, field, piece, box, exact)
            if item is not None:
                yield item


def _pieces(flow: Flow) -> Iterator[Piece]:
    """Solutions in the flow's own symbols: roots are unknowns with an equation, kinks are taken side by side."""
    own = [flow.symbols[name] for name in flow.states]
    states = [sympy.Dummy(name, real=True) for name in flow.states]
    rational = Rationaliser(states)
    entries = rational.all([entry.xreplace(dict(zip(own, states, strict=True))) for entry in flow.rhs])
    if rational.constants:
        raise CutOff("an irrational number")
    signs, roots = rational.of_kind("sign"), rational.of_kind("root")
    if len(signs) > _SIGNS:
        raise CutOff("too many kinks")
    others = [symbol for symbol in rational.generators if symbol not in (*signs, *roots)]
    functions = {symbol: bool(rational.generators[symbol].meaning.is_positive) for symbol in others}
    equations = [rational.generators[symbol].equation(symbol, rational.generators) for symbol in roots]
    back = dict(zip(states, own, strict=True))
    failures: list[CutOff] = []
    for sides in product((1, -1), repeat=len(signs)):
        at = dict(zip(signs, map(sympy.Integer, sides), strict=True))
        numerators = [sympy.numer(sympy.together(part.xreplace(at))) for part in (*entries, *equations)]
        try:
            pieces = real_solutions(numerators, [*states, *roots], _BUDGET, functions)
        except CutOff as error:
            pieces = list(error.found)
            failures.append(error)
        for piece in pieces:
            if set(free_in(piece)) <= set(states):
                yield {back[symbol]: piece[symbol].xreplace(back) for symbol in states}
            else:
                failures.append(CutOff("a curve that is a graph over a root only"))
    if failures:
        raise failures[0]


def _described(flow: Flow, field: Field, piece: Piece, box: Box, exact: bool) -> Equilibrium | None:
    """An equilibrium from a solution; None if it lies outside the box or where the field is singular."""
    values = {name: piece[flow.symbols[name]] for name in flow.states}
    if free_in(piece):
        return _curve(flow, field, values, [symbol.name for symbol in free_in(piece)], box, exact)
    if not box.contains(values) or not _rests(flow, values):
        return None
    jacobian = flow.jacobian.subs(piece).evalf(_DIGITS)
    if jacobian.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):  # beside a singular point, as of √x at 0
        return Equilibrium(values if exact else _floats(values), None, (np.nan,) * len(values), "non-hyperbolic")
    eigenvalues = _eigenvalues(jacobian)
    return Equilibrium(values if exact else _floats(values), None, in_order(eigenvalues), kind_of(eigenvalues))


def _eigenvalues(jacobian: sympy.Matrix) -> list[complex]:
    """Eigenvalues to more digits than a float has, so that a double zero is not mistaken for two small numbers."""
    if jacobian.rows == 1:
        return [complex(jacobian[0])]
    with mpmath.workdps(_DIGITS):
        found = mpmath.eig(mpmath.matrix(jacobian.tolist()), left=False, right=False)
        return [complex(mpmath.chop(value, 1e-20)) for value in found]


def _rests(flow: Flow, point: Mapping[str, Any]) -> bool:
    """Whether the field vanishes there: a zero of the numerators may be one of the denominators too, and a root or a
    kink may be on its other side.
    """
    at = {flow.symbols[name]: sympy.sympify(value).evalf(_DIGITS) for name, value in point.items()}
    if not _vanishes(flow, at, _ZERO):
        return False
    if not flow.rhs.has(*_KINKS):
        return True
    # At a kink SymPy's sign is 0, and that of the field may be ± something on its sides: it jumps, and nothing rests.
    beside = [at | {s: at[s] + side * _STEP} for s in at for side in (1, -1)]
    return all(_vanishes(flow, there, _JUMPS) for there in beside)


def _vanishes(flow: Flow, at: Mapping[sympy.Symbol, sympy.Expr], zero: Any) -> bool:
    for entry in flow.rhs:
        value = entry.subs(at)
        if not value.is_number or value.has(sympy.nan, sympy.zoo, sympy.oo):
            return False
        if abs(value.evalf(_DIGITS)) > zero:
            return False
    return True


def _curve(
    flow: Flow, field: Field, curve: dict[str, sympy.Expr], free: list[str], box: Box, exact: bool
) -> Equilibrium | None:
    point = _representative(flow, curve, free, box)
    if point is None:
        return None
    on_it = flow.jacobian.subs({flow.symbols[n]: e for n, e in curve.items()})
    if len(free) > 1:
        eigenvalues = _across(on_it, flow, point, len(free))
        kind = f"surface of dimension {len(free)}"
        changes: tuple[dict[str, Any], ...] = ()
    else:
        symbol = flow.symbols[free[0]]
        eigenvalues, kind = eigenvalues_along(on_it), "line"
        low, high = box.sides.get(free[0], (-_FAR, _FAR))
        places = changes_along(eigenvalues, symbol, low, high, curve.values())
        changes = tuple({n: e.subs(symbol, place) for n, e in curve.items()} for place in places)
    if exact:
        return Equilibrium(point, curve, eigenvalues, kind, changes)
    curve = {name: _decimal(expr) for name, expr in curve.items()}
    eigenvalues = tuple(_decimal(expr) for expr in eigenvalues)
    return Equilibrium(_floats(point), curve, eigenvalues, kind, tuple(_floats(c) for c in changes))


def _across(jacobian: sympy.Matrix, flow: Flow, point: Mapping[str, Any], dimension: int) -> tuple[sympy.Expr, ...]:
    """Eigenvalues on a surface, the zeros along it last: in closed form where two at most lie across it."""
    if jacobian.rows - dimension <= 2:
        with suppress(TypeError, NotImplementedError, sympy.PolynomialError):  # of roots that SymPy cannot compare
            return (*closed_eigenvalues(jacobian, zeros=dimension), *([sympy.S.Zero] * dimension))
    there = jacobian.subs({flow.symbols[name]: value for name, value in point.items()}).evalf(_DIGITS)
    found = sorted(_eigenvalues(there), key=abs)[dimension:]
    return (*(sympy.sympify(value) for value in in_order(found)), *([sympy.S.Zero] * dimension))


def _decimal(expr: sympy.Expr) -> sympy.Expr:
    """Long fractions as decimals; short ones, exponents among them, stay."""
    return expr.xreplace({number: number.evalf(17) for number in expr.atoms(sympy.Rational) if number.q > 1000})


def _representative(
    flow: Flow, curve: dict[str, sympy.Expr], free: list[str], box: Box
) -> dict[str, sympy.Expr] | None:
    """A point of the curve inside the box, the default value of the free states if that will do.

    Between neighbouring places at which a root begins or a side of the box is met nothing changes: one place between
    each two of them, and they themselves, are enough.
    """
    usual = [{name: flow.defaults.get(name, 1) for name in free}]
    usual += [dict.fromkeys(free, number) for number in (1, sympy.Rational(1, 2), -1)]
    if len(free) > 1:
        generator = np.random.default_rng(1931)
        sides = [box.sides.get(name) or flow.view.get(name) or (-_FAR, _FAR) for name in free]
        usual += [
            {name: float(generator.uniform(*side)) for name, side in zip(free, sides, strict=True)}
            for _ in range(_TRIES)
        ]
        places = iter(usual)
    else:
        places = chain(usual, ({free[0]: place} for place in _places(flow, curve, free[0], box)))
    beside = [dict.fromkeys(free, side * _STEP) for side in (1, -1)]
    if len(free) > 1:
        beside += [{name: side * _STEP * (-1) ** index for index, name in enumerate(free)} for side in (1, -1)]
    for place in places:
        at = {flow.symbols[name]: _rational(value) for name, value in place.items()}
        point = {name: expr.subs(at) for name, expr in curve.items()}
        if all(map(is_real, point.values())) and box.contains(point) and _rests(flow, point):
            # A complex curve may be real at a single point, which is then no curve.
            moved = ({flow.symbols[n]: at[flow.symbols[n]] + step[n] for n in free} for step in beside)
            if any(all(is_real(expr.subs(there)) for expr in curve.values()) for there in moved):
                return point
    return None


def _rational(value: Any) -> sympy.Expr:
    return value if isinstance(value, sympy.Basic) else sympy.Rational(str(value))


def _places(flow: Flow, curve: Mapping[str, sympy.Expr], free: str, box: Box) -> list[sympy.Expr]:
    """Values of the free state at which a coordinate starts to be real or meets a side of the box, and between."""
    symbol = flow.symbols[free]
    low, high = box.sides.get(free, (None, None))
    found = {_rational(side) for side in (low, high) if side is not None} | ends_of(curve.values(), symbol)
    for name, expr in curve.items():
        for side in box.sides.get(name, ()) if name != free else ():
            found |= crossings(expr - _rational(side), symbol)
    inside = sorted((p for p in found if (low is None or low <= p) and (high is None or p <= high)), key=float)
    if not inside:
        return [sympy.S.Zero]
    between = [sympy.Rational(str(float(a + b) / 2)) for a, b in pairwise(inside)]
    outside = [sympy.floor(inside[0]) - 1, sympy.ceiling(inside[-1]) + 1]
    return [*between, *outside, *inside]


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
    for point, curve, dimension in search(field, low, high):
        eigenvalues = in_order(np.linalg.eigvals(field.jacobian(0.0, point)))
        kind = "line" if curve is not None else kind_of(eigenvalues, zero=1e-7, scale=scale)
        kind = f"surface of dimension {dimension}" if dimension > 1 else kind
        trace = None if curve is None else dict(zip(flow.states, curve.T, strict=True))
        point = np.where(np.abs(point) < _ROUNDING * size, 0.0, point)
        if dimension == 0 and _jumps(field, point, _BESIDE * size, fast):
            continue
        where = dict(zip(flow.states, map(float, point), strict=True))
        found.append(Equilibrium(where, None, eigenvalues, kind, trace=trace))
    return sorted(found, key=_order)
