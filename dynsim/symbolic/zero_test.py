"""Whether two expressions are equal: decided at random points if they are not, proven by algebra if they are."""

from __future__ import annotations

from random import Random

import numpy as np
import sympy

from dynsim.symbolic.inspection import Splitting
from dynsim.symbolic.numeric import evaluate

__all__ = ["are_equal", "is_symmetric"]

POINTS = 12
SMALL, ALGEBRAIC = 60, 300  # operations up to which SymPy's simplification is short; without exp and the like
LARGE = 1500  # operations up to which a common denominator is found soon
TERMS = 20_000  # terms when everything is multiplied out
DIGITS = 30


def are_equal(left: sympy.Expr, right: sympy.Expr) -> bool | None:
    """Whether two expressions agree wherever both are defined; None where it stays undecided.

    A difference is found at seeded random points, in double precision first and then to 30 digits. Equality is only
    said when expanding, or simplifying a short expression, proves it: the work is bounded by the size of the
    expressions, and beyond it the answer is None.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.symbolic.zero_test import are_equal
    >>> are_equal(parse("(a + b)^2"), parse("a^2 + 2*a*b + b^2")), are_equal(parse("sin(a)"), parse("a"))
    (True, False)
    """
    if left == right:
        return True
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    if _differ(left, right, symbols):
        return False
    return True if _is_zero(left - right) else None


def is_symmetric(matrix: sympy.MatrixBase) -> bool | None:
    """Whether a matrix equals its transpose; None where it stays undecided."""
    found: bool | None = True
    pairs = [(matrix[i, j], matrix[j, i]) for i in range(matrix.rows) for j in range(i)]
    if any(_differ(left, right, sorted(left.free_symbols | right.free_symbols, key=str)) for left, right in pairs):
        return False  # no entry is simplified before each has had the chance to differ
    for left, right in pairs:
        equal = are_equal(left, right)
        if equal is False:
            return False
        found = found if equal else None
    return found


def _differ(left: sympy.Expr, right: sympy.Expr, symbols: list[sympy.Symbol]) -> bool | None:
    """Whether some random point tells them apart; None if no point lies in the domain of both."""
    rng = Random(0)
    spans = [(0.2, 1.8)] * POINTS + [(-2.0, 2.0)] * POINTS
    points = np.array([[round(rng.uniform(*span), 6) for _ in symbols] for span in spans])
    try:
        if symbols:
            a, b = evaluate([left, right], dict(zip(symbols, points.T, strict=True)))
        else:
            a, b = (np.full(len(points), float(value.evalf())) for value in (left, right))
    except (TypeError, ValueError):
        return None
    inside = np.isfinite(a) & np.isfinite(b)
    if not inside.any():
        return None
    with np.errstate(all="ignore"):
        suspects = inside & (np.abs(a - b) > 1e-9 * (np.abs(a) + np.abs(b)))
    return any(_apart(left - right, dict(zip(symbols, points[i], strict=True))) for i in np.flatnonzero(suspects)[:3])


def _apart(difference: sympy.Expr, point: dict[sympy.Symbol, float]) -> bool:
    """Whether a difference is not zero to many digits at a point given by short decimals."""
    exact = {symbol: sympy.Rational(str(value)) for symbol, value in point.items()}
    value = difference.evalf(DIGITS, subs=exact, maxn=4 * DIGITS)
    return bool(value.is_Float and abs(value) > sympy.Float(10) ** (-DIGITS // 2))


def _is_zero(difference: sympy.Expr) -> bool:
    """Whether algebra proves it, within the budget."""
    operations = difference.count_ops()
    if operations > LARGE:
        return False
    numerator = sympy.together(difference).as_numer_denom()[0]
    if Splitting().terms(numerator) <= TERMS and sympy.expand(numerator) == 0:
        return True
    return operations <= (SMALL if difference.has(sympy.Function) else ALGEBRAIC) and sympy.simplify(difference) == 0
