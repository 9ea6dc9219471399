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
from dynsim.analysis.algebra.equilibrium_search import joined, numeric_equilibria
from dynsim.analysis.algebra.exact_values import at_exact_values
from dynsim.analysis.algebra.generators import Rationaliser
from dynsim.analysis.algebra.kinks import KINKS, Sided, covers, holding, interior, one_sided, smooth_on
from dynsim.analysis.algebra.line_stability import (
    changes_along,
    closed_eigenvalues,
    crossings,
    eigenvalues_along,
    ends_of,
    is_real,
    zeros_of,
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
_SIGNS, _TRIES = 5, 200  # kinks; places to look for a point of a surface


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
        found.extend(items_within(_BUDGET, _solved, plain, region, exact, _BUDGET))
    except (OutOfTime, CutOff, TypeError, NotImplementedError, RecursionError) as error:
        reason = error if isinstance(error, CutOff | OutOfTime) else f"a limit of SymPy ({type(error).__name__})"
        searched = drawn_box(flow, region)
        found = joined(found, numeric_equilibria(flow, field, searched), field)
        note = f"seeded numeric search in {searched}, because the exact one met {reason}"
        return Equilibria(sorted(found, key=_order), False, note, flow.states, about)
    return Equilibria(sorted(found, key=_order), True, "", flow.states, about)


def _order(item: Equilibrium) -> tuple[Any, ...]:
    return (item.curve is None, *(float(value) for value in item.point.values()))


def _solved(flow: Flow, box: Box, exact: bool, seconds: float) -> Iterator[Equilibrium]:
    """Real zeros of a right-hand side without parameters, one after the other."""
    field = flow.field()
    known: list[Sided] = []
    for found in _pieces(flow, seconds):
        if not any(covers(other, found) for other in known):
            known.append(found)
            item = _described(flow, field, found, box, exact)
            if item is not None:
                yield item


def _pieces(flow: Flow, seconds: float) -> Iterator[Sided]:
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
    insides = [rational.generators[symbol].meaning.args[0].xreplace(back) for symbol in signs]
    failures: list[CutOff] = []

    def solved() -> Iterator[tuple[Piece, tuple[int, ...]]]:
        for sides in product((1, -1), repeat=len(signs)):
            at = dict(zip(signs, map(sympy.Integer, sides), strict=True))
            numerators = [sympy.numer(sympy.together(part.xreplace(at))) for part in (*entries, *equations)]
            try:
                pieces = real_solutions(numerators, [*states, *roots], seconds, functions)
            except CutOff as error:
                pieces = list(error.found)
                failures.append(error)
            for piece in pieces:
                if set(free_in(piece)) <= set(states):
                    yield {back[symbol]: piece[symbol].xreplace(back) for symbol in states}, sides
                else:
                    failures.append(CutOff("a curve that is a graph over a root only"))

    yield from holding(solved(), insides)
    if failures:
        raise failures[0]


def _described(flow: Flow, field: Field, found: Sided, box: Box, exact: bool) -> Equilibrium | None:
    """An equilibrium from a solution; None if it lies outside the box or where the field is singular."""
    piece = found.piece
    values = {name: piece[flow.symbols[name]] for name in flow.states}
    if free_in(piece):
        return _curve(flow, field, values, [symbol.name for symbol in free_in(piece)], found.conditions, box, exact)
    if not box.contains(values) or not _rests(flow, values):
        return None
    eigenvalues, kind = _isolated(flow, piece)
    return Equilibrium(values if exact else _floats(values), None, eigenvalues, kind)


def _isolated(flow: Flow, piece: Piece) -> tuple[tuple[Any, ...], str]:
    """Eigenvalues and kind of a point; at a kink those of the slowest side, if they decide it."""
    unknown = (np.nan,) * len(piece), "non-hyperbolic"
    sides = one_sided(flow.jacobian, piece) if flow.rhs.has(*KINKS) else []
    jacobian = sides[0] if len(sides) == 1 else flow.jacobian.subs(piece).evalf(_DIGITS)
    if len(sides) > 1:
        # Averages of definite symmetric matrices are definite: |x|² falls, or rises, on every side and across.
        signs = {kind_of(_eigenvalues(side)) for side in sides}
        if not all(side.is_symmetric() for side in sides) or signs not in ({"stable node"}, {"unstable node"}):
            return unknown
        jacobian = min(sides, key=lambda side: min(abs(value.real) for value in _eigenvalues(side)))
    if jacobian.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):  # beside a singular point, as of √x at 0
        return unknown
    eigenvalues = _eigenvalues(jacobian)
    return in_order(eigenvalues), kind_of(eigenvalues)


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
    if not flow.rhs.has(*KINKS):
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
    flow: Flow,
    field: Field,
    curve: dict[str, sympy.Expr],
    free: list[str],
    conditions: tuple[sympy.Expr, ...],
    box: Box,
    exact: bool,
) -> Equilibrium | None:
    point = _representative(flow, curve, free, conditions, box)
    if point is None:
        return None
    jacobian = flow.jacobian
    if conditions:
        jacobian = smooth_on(jacobian, _at(flow, point))
    on_it = jacobian.subs({flow.symbols[n]: e for n, e in curve.items()})
    at_kink = flow.rhs.has(*KINKS) and len(one_sided(flow.jacobian, _at(flow, point))) != 1
    if at_kink:
        kind = f"surface of dimension {len(free)}" if len(free) > 1 else "line"
        eigenvalues: tuple[Any, ...] = (*([sympy.nan] * (len(curve) - len(free))), *([sympy.S.Zero] * len(free)))
        changes: tuple[dict[str, Any], ...] = ()
    elif len(free) > 1:
        eigenvalues = _across(on_it, flow, point, len(free))
        kind = f"surface of dimension {len(free)}"
        changes = ()
    else:
        symbol = flow.symbols[free[0]]
        eigenvalues, kind = eigenvalues_along(on_it), "line"
        low, high = box.sides.get(free[0], (-_FAR, _FAR))
        for condition in conditions:  # symbol − low, or high − symbol
            (end,) = zeros_of(condition, symbol)
            low, high = (max(low, float(end)), high) if condition.coeff(symbol) > 0 else (low, min(high, float(end)))
        places = changes_along(eigenvalues, symbol, low, high, curve.values())
        changes = tuple({n: e.subs(symbol, place) for n, e in curve.items()} for place in places)
    if exact:
        return Equilibrium(point, curve, eigenvalues, kind, changes, conditions=conditions)
    conditions = tuple(_decimal(condition) for condition in conditions)
    curve = {name: _decimal(expr) for name, expr in curve.items()}
    eigenvalues = tuple(_decimal(expr) for expr in eigenvalues)
    changes = tuple(_floats(change) for change in changes)
    return Equilibrium(_floats(point), curve, eigenvalues, kind, changes, conditions=conditions)


def _at(flow: Flow, point: Mapping[str, Any]) -> dict[sympy.Symbol, Any]:
    return {flow.symbols[name]: value for name, value in point.items()}


def _across(jacobian: sympy.Matrix, flow: Flow, point: Mapping[str, Any], dimension: int) -> tuple[sympy.Expr, ...]:
    """Eigenvalues on a surface, the zeros along it last: in closed form where two at most lie across it."""
    if jacobian.rows - dimension <= 2:
        with suppress(TypeError, NotImplementedError, sympy.PolynomialError):  # of roots that SymPy cannot compare
            return (*closed_eigenvalues(jacobian, zeros=dimension), *([sympy.S.Zero] * dimension))
    there = jacobian.subs(_at(flow, point)).evalf(_DIGITS)
    found = sorted(_eigenvalues(there), key=abs)[dimension:]
    return (*(sympy.sympify(value) for value in in_order(found)), *([sympy.S.Zero] * dimension))


def _decimal(expr: sympy.Expr) -> sympy.Expr:
    """Long fractions as decimals; short ones, exponents among them, stay."""
    return expr.xreplace({number: number.evalf(17) for number in expr.atoms(sympy.Rational) if number.q > 1000})


def _representative(
    flow: Flow, curve: dict[str, sympy.Expr], free: list[str], conditions: tuple[sympy.Expr, ...], box: Box
) -> dict[str, sympy.Expr] | None:
    """A point in the box and on its side of all kinks, with the default value of the free states if that will do.

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
        inside = interior(conditions, [flow.symbols[name] for name in free], box.sides) if conditions else None
        usual += [] if inside is None else [inside]
        places = iter(usual)
    else:
        places = chain(usual, ({free[0]: place} for place in _places(flow, curve, free[0], conditions, box)))
    beside = [dict.fromkeys(free, side * _STEP) for side in (1, -1)]
    if len(free) > 1:
        beside += [{name: side * _STEP * (-1) ** index for index, name in enumerate(free)} for side in (1, -1)]
    for place in places:
        at = {flow.symbols[name]: _rational(value) for name, value in place.items()}
        point = {name: expr.subs(at) for name, expr in curve.items()}
        if any(condition.subs(at).evalf(_DIGITS) <= 0 for condition in conditions):
            continue
        if all(map(is_real, point.values())) and box.contains(point) and _rests(flow, point):
            # A complex curve may be real at a single point, which is then no curve.
            moved = ({flow.symbols[n]: at[flow.symbols[n]] + step[n] for n in free} for step in beside)
            if any(all(is_real(expr.subs(there)) for expr in curve.values()) for there in moved):
                return point
    return None


def _rational(value: Any) -> sympy.Expr:
    return value if isinstance(value, sympy.Basic) else sympy.Rational(str(value))


def _places(
    flow: Flow, curve: Mapping[str, sympy.Expr], free: str, conditions: tuple[sympy.Expr, ...], box: Box
) -> list[sympy.Expr]:
    """Values of the free state at which a coordinate starts to be real or meets a side of the box, and between."""
    symbol = flow.symbols[free]
    low, high = box.sides.get(free, (None, None))
    found = {_rational(side) for side in (low, high) if side is not None} | ends_of(curve.values(), symbol)
    found = found.union(*(zeros_of(condition, symbol) for condition in conditions))
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
