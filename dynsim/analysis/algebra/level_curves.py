"""Where a run ends, exactly: polynomial flows of one state, and of two that conserve a polynomial.

The orbit of a planar flow stays on the level curve of what the flow conserves. Along a coordinate it is monotone
between the places at which that component of the velocity vanishes, and between the multiple points and asymptotes of
the curve its branches keep their order. So the run is followed from one such place to the next by isolating real roots
in exact arithmetic, turning round where the curve does, until a place is an equilibrium: that is the limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import mpmath
import sympy
from sympy import Poly, Rational
from sympy.polys.polyerrors import BasePolynomialError

from dynsim.analysis.algebra.first_integrals import first_integrals
from dynsim.budget import OutOfTime, within
from dynsim.names import TIME
from dynsim.symbolic.exact import Limit
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import unicode_text

__all__ = ["algebraic_limit"]

_BUDGET = 10.0  # seconds
_DEGREE = 8  # of the velocity and of the level curve
_PLACES = 60  # places that a run may pass before it is given up
_BESIDE, _NEARER = Rational(1, 10**40), Rational(1, 10**50)  # how far beside a place its branches are looked at
_WIDTH, _DIGITS = Rational(1, 10**80), 100  # of what isolates a root
_CLEAR = 1e-6  # the branch that goes on is nearer than the next by this factor

Exact = dict[str, sympy.Expr]


def algebraic_limit(flow: Flow, start: Mapping[str, Any], values: Mapping[str, Any]) -> Limit | None:
    """Return the limit of the run from `start`, or None where this does not tell it, within 10 seconds.

    Parameters
    ----------
    flow : Flow
    start, values : mapping
        ``{name: number}`` of all states and parameters; a float is the decimal it prints as.

    Examples
    --------
    The toy under other names:

    >>> import dynsim
    >>> from dynsim.analysis.algebra.level_curves import algebraic_limit
    >>> flow = dynsim.gradient_flow("(p*w - sg(w))^2/2", "p, w")
    >>> dict(algebraic_limit(flow, {"p": 0.6, "w": 0.1}, {}).values)
    {'p': 1, 'w': sqrt(65)/10}
    """
    if not 1 <= len(flow.states) <= 2:
        return None
    try:
        place, numbers = ({name: _decimal(v) for name, v in given.items()} for given in (start, values))
    except TypeError:  # an integer beyond the largest float has become infinite
        return None
    symbols = [flow.symbols[name] for name in flow.states]
    if not all(value.is_Rational for value in numbers.values()) or not flow.rhs.free_symbols <= {
        *symbols, *(flow.symbols[name] for name in numbers)
    }:  # fmt: skip
        return None
    if not all(entry.is_polynomial(*symbols) for entry in flow.rhs):
        return None
    try:
        return within(_BUDGET, _limit, flow, place, numbers)
    except (OutOfTime, BasePolynomialError, ArithmeticError, NotImplementedError, TypeError, ValueError):
        return None


def _decimal(value: Any) -> sympy.Expr:
    return value if isinstance(value, sympy.Basic) and not value.is_Float else Rational(str(value))


def _limit(flow: Flow, start: Exact, values: Exact) -> Limit | None:
    symbols = [flow.symbols[name] for name in flow.states]
    fixed = flow.rhs.subs({flow.symbols[name]: value for name, value in values.items()})
    velocity = [Poly(entry, *symbols, domain="QQ") for entry in fixed]
    here = [start[name] for name in flow.states]
    if max(part.total_degree() for part in velocity) > _DEGREE:
        return None
    if all(_is_zero(part(*here)) for part in velocity):
        return _told(flow, here, "nothing moves at the start")
    if len(symbols) == 1:
        end = _next_root(velocity[0], here[0])
        return None if end is None else _told(flow, [end], "the state tends to the next zero of its velocity")
    for integral in _integrals(flow, values):
        fixed = integral.subs({flow.symbols[name]: value for name, value in values.items()})
        constant = sympy.radsimp(sympy.expand(fixed.subs(dict(zip(symbols, here, strict=True)))))
        if not constant.is_Rational:
            continue
        level = Poly(fixed - constant, *symbols, domain="QQ")
        for order in (1, -1):
            found = _followed(level, velocity[::order], here[::order], symbols[::order])
            if found is not None:
                law = f"{unicode_text(integral)} is conserved"
                return _told(flow, found[::order], f"{law}: the run goes to the next equilibrium on its level curve")
    return None


def _told(flow: Flow, end: list[sympy.Expr], reason: str) -> Limit:
    values = dict(zip(flow.states, map(sympy.sympify, end), strict=True))
    encoder = flow.roles.get("encoder", ())
    return Limit(values, all(values[name] == 0 for name in encoder) if encoder else None, reason)


@lru_cache(maxsize=64)
def _of(flow: Flow) -> tuple[sympy.Expr, ...]:
    return tuple(item for item in first_integrals(flow) if TIME not in {symbol.name for symbol in item.free_symbols})


def _integrals(flow: Flow, values: Exact) -> Iterator[sympy.Expr]:
    """What is conserved whatever the parameters are, then what is at values at which terms vanish or agree."""
    yield from (general := _of(flow))
    if not general and (0 in values.values() or len(set(values.values())) < len(values)):
        yield from _of(flow.fix(values))


def _next_root(velocity: Poly, here: sympy.Expr) -> sympy.Expr | None:
    """The first zero of a velocity on the way from a place at which it is not zero."""
    forward = velocity(here) > 0
    ahead = [root for root in velocity.real_roots(multiple=True) if (root > here) == forward]
    return None if not ahead else min(ahead) if forward else max(ahead)


def _followed(
    level: Poly, velocity: list[Poly], here: list[sympy.Expr], symbols: list[sympy.Symbol]
) -> list[sympy.Expr] | None:
    """Follow the run along the first of the two symbols; None where it does not lead to an equilibrium."""
    x, y = symbols
    f, g = (Poly(part, x, y, domain="QQ") for part in velocity)
    speed = f(*here)
    parts = [Poly(part, x, y) for part, _ in level.factor_list()[1]]
    mine = [part for part in parts if _is_zero(part(*here))]
    if _is_zero(speed) or len(mine) != 1 or mine[0].total_degree() > _DEGREE or mine[0].degree(y) < 1:
        return None
    curve = Poly(mine[0], x, y, domain="QQ")
    special = [curve.as_expr().coeff(y, curve.degree(y)), sympy.resultant(f.as_expr(), curve.as_expr(), y)]
    if curve.degree(y) > 1:
        special.append(sympy.discriminant(curve.as_expr(), y))
    product = Poly(sympy.Mul(*special), x, domain="QQ")
    if product.is_zero:
        return None
    places = [] if product.degree() < 1 else _isolated(product.sqf_part())

    forward = bool(speed > 0)
    at = _rational(here[0]) + (_BESIDE if forward else -_BESIDE)
    height = _nearest(_branches(curve, at, x, y), _rational(here[1]))
    visited = set()
    for _ in range(_PLACES):
        ahead = [(low, high) for low, high in places if (low > at if forward else high < at)]
        if not ahead or height is None:
            return None
        low, high = ahead[0] if forward else ahead[-1]
        before, after, side = (low, high, 1) if forward else (high, low, -1)
        order = _rank(_branches(curve, at, x, y), height)
        if (low, order, forward) in visited:
            return None  # a closed orbit
        visited.add((low, order, forward))
        near, nearer = (before - side * gap for gap in (_BESIDE, _NEARER))
        branches, closer = _branches(curve, near, x, y), _branches(curve, nearer, x, y)
        # What ends in a point comes nearer by a root of the ratio of the two gaps, what passes by does not.
        stops, still = (2 * abs(part(nearer, closer[order])) <= abs(part(near, branches[order])) for part in (f, g))
        if abs(closer[order]) > 4 * abs(branches[order]):
            return None  # an asymptote
        if not stops:
            at = after + side * _BESIDE
            height = _nearest(_branches(curve, at, x, y), branches[order])
        elif still:
            return _named(curve, f, (before, closer[order]), symbols)
        else:  # the curve turns round
            gaps = [
                (abs(far - branches[order]), abs(b - closer[order])) for far, b in zip(branches, closer, strict=True)
            ]
            other = [i for i, (far, close) in enumerate(gaps) if i != order and 2 * close <= far]
            if len(other) != 1:
                return None
            height, at, forward = branches[other[0]], near, not forward
    return None


def _named(curve: Poly, f: Poly, place: tuple[Rational, Rational], symbols: list[sympy.Symbol]) -> list[sympy.Expr]:
    """The common zero of the curve and the velocity at a place, in closed form where its coordinates have one."""
    found = []
    for gone, kept, value in zip(symbols[::-1], symbols, place, strict=True):
        eliminated = Poly(sympy.resultant(f.as_expr(), curve.as_expr(), gone), kept, domain="QQ")
        found.append(min(eliminated.real_roots(), key=lambda root: abs(_rational(root) - value)))
    return found


def _branches(curve: Poly, place: Rational, x: sympy.Symbol, y: sympy.Symbol) -> list[Rational]:
    """Heights of the curve at a rational place, in order."""
    across = Poly(curve.as_expr().subs(x, place), y, domain="QQ")
    return [(low + high) / 2 for low, high in _isolated(across.sqf_part())] if across.degree() > 0 else []


def _isolated(polynomial: Poly) -> list[tuple[Rational, Rational]]:
    """Narrow intervals that hold one real root each, in order, of a polynomial without multiple roots."""
    found = []
    for low, high in polynomial.intervals(sqf=True):
        if low != high:
            middle = _rational_root(polynomial, low, high)
            narrow = max(low, middle - _WIDTH / 2), min(high, middle + _WIDTH / 2)
            if polynomial(narrow[0]) * polynomial(narrow[1]) < 0:
                low, high = narrow
            else:
                low, high = polynomial.refine_root(low, high, eps=_WIDTH, check_sqf=False)
        found.append((low, high))
    return found


def _rational_root(polynomial: Poly, low: Rational, high: Rational) -> Rational:
    """A rational number next to the root between two others: by halving, then by Newton's method, in long floats."""
    with mpmath.workdps(_DIGITS + 20):
        numbers = [mpmath.mpf(int(number.p)) / int(number.q) for number in polynomial.all_coeffs()]
        left, right = (mpmath.mpf(int(end.p)) / int(end.q) for end in (low, high))
        rising = mpmath.polyval(numbers, right) > 0
        for _ in range(60):
            middle = (left + right) / 2
            left, right = (left, middle) if (mpmath.polyval(numbers, middle) > 0) == rising else (middle, right)
        for _ in range(4):
            value, slope = mpmath.polyval(numbers, middle, derivative=True)
            middle -= value / slope if slope else 0
        return Rational(sympy.Float(middle, _DIGITS + 20))


def _nearest(branches: list[Rational], height: Rational) -> Rational | None:
    """The branch at a height, if that is beyond doubt."""
    near = sorted(branches, key=lambda branch: abs(branch - height))
    if not near or (len(near) > 1 and abs(near[0] - height) > _CLEAR * abs(near[1] - height)):
        return None
    return near[0]


def _rank(branches: list[Rational], height: Rational) -> int:
    return min(range(len(branches)), key=lambda index: abs(branches[index] - height))


def _rational(value: sympy.Expr) -> Rational:
    return value if value.is_Rational else Rational(sympy.N(value, _DIGITS))


def _is_zero(value: Any) -> bool:
    value = sympy.sympify(value)
    return bool(value == 0 if value.is_Rational else abs(sympy.N(value, 60)) < Rational(1, 10**50))
