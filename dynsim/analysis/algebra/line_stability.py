"""Stability along a curve of equilibria: transverse eigenvalues, and where one of them changes sign."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import sympy

__all__ = [
    "changes_along",
    "closed_eigenvalues",
    "crossings",
    "eigenvalues_along",
    "ends_of",
    "is_real",
    "zeros_along",
    "zeros_of",
]

_DIGITS = 50


def eigenvalues_along(jacobian: sympy.Matrix) -> tuple[sympy.Expr, ...]:
    """Eigenvalues of the Jacobian on a curve: the transverse ones, then the zero along the curve.

    Parameters
    ----------
    jacobian : Matrix
        With entries in the one free state of the curve.

    Examples
    --------
    >>> import sympy
    >>> phi = sympy.Symbol("phi", real=True)
    >>> eigenvalues_along(sympy.Matrix([[0, 0], [0, phi * (1 - phi)]]))
    (-phi*(phi - 1), 0)
    """
    return (*closed_eigenvalues(jacobian, zeros=1), sympy.S.Zero)


def closed_eigenvalues(matrix: sympy.Matrix, zeros: int = 0) -> tuple[sympy.Expr, ...]:
    """Eigenvalues of a symbolic matrix in closed form, except as many as are known to be zero.

    Examples
    --------
    >>> import sympy
    >>> a = sympy.Symbol("a")
    >>> closed_eigenvalues(sympy.Matrix([[a, 1], [0, -a]]))
    (a, -a)
    """
    x = sympy.Dummy("x")
    coefficients = [sympy.radsimp(sympy.cancel(c)) for c in matrix.charpoly().all_coeffs()]
    kept = coefficients[: len(coefficients) - zeros]
    found: list[sympy.Expr] = []
    for factor, count in sympy.factor_list(sum(c * x**power for power, c in enumerate(reversed(kept))), x)[1]:
        roots = sympy.roots(sympy.Poly(factor, x), multiple=True)
        found += [sympy.factor(root) for root in roots] * count
    return tuple(found)


def changes_along(
    eigenvalues: tuple[sympy.Expr, ...],
    free: sympy.Symbol,
    low: float,
    high: float,
    curve: Iterable[sympy.Expr] = (),
) -> list[sympy.Expr]:
    """Values of the free state between `low` and `high` at which the number of growing directions changes.

    Parameters
    ----------
    eigenvalues : tuple of Expr
        The transverse ones, then the zero along the curve.
    free : Symbol
    low, high : float
    curve : iterable of Expr
        Coordinates of the curve, where they are not real everywhere. Where it ends as a graph it goes on as its
        conjugate, the other sign of the root.

    Examples
    --------
    >>> import sympy
    >>> phi = sympy.Symbol("phi", real=True)
    >>> changes_along((phi * (1 - phi), sympy.S.Zero), phi, -5, 5)
    [0, 1]
    >>> changes_along((-(phi**2), sympy.S.Zero), phi, -5, 5)
    []

    The circle √(1 − φ²) with the eigenvalue −√(1 − φ²) above, and + below:

    >>> root = sympy.sqrt(1 - phi**2)
    >>> changes_along((-root, sympy.S.Zero), phi, -5, 5, [root])
    [-1, 1]
    """
    curve = list(curve)
    inside = zeros_along(eigenvalues, free, low, high)
    places = sorted({*inside, *(end for end in ends_of(curve, free) if low < end < high)}, key=float)
    edges = [sympy.Float(low), *places, sympy.Float(high)]
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    conjugate = tuple(value.xreplace({root: -root for root in _roots_in(value, free)}) for value in eigenvalues)
    found = []
    for place, (before, after) in zip(places, pairwise(middles), strict=True):
        there = [middle for middle in (before, after) if all(is_real(value.subs(free, middle)) for value in curve)]
        if place in inside and there and all(is_real(value.subs(free, place)) for value in curve):
            beyond = _growing(eigenvalues if len(there) == 2 else conjugate, free, there[-1])
            if _growing(eigenvalues, free, there[0]) != beyond:
                found.append(place)
    return found


def ends_of(curve: Iterable[sympy.Expr], free: sympy.Symbol) -> set[sympy.Expr]:
    """Values of the free state at which the radicand of a root in the coordinates of a curve changes its sign."""
    found: set[sympy.Expr] = set()
    for power in {power for expr in curve for power in expr.atoms(sympy.Pow)}:
        if power.exp.is_Rational and not power.exp.is_Integer:
            for part in sympy.fraction(sympy.together(power.base)):
                found |= zeros_of(part, free)
    return found


def is_real(value: sympy.Expr) -> bool:
    """Whether a number is real and finite."""
    number = value.evalf(_DIGITS)
    return bool(number.is_real and number.is_finite)


def zeros_along(eigenvalues: tuple[sympy.Expr, ...], free: sympy.Symbol, low: float, high: float) -> list[sympy.Expr]:
    """Values of the free state at which the curve may lose normal hyperbolicity: a transverse eigenvalue is
    zero, infinite or purely imaginary, whether it changes sign or not.
    """
    candidates: set[sympy.Expr] = set()
    for value in eigenvalues[:-1]:
        candidates |= _sign_changes(value, free)
    return sorted((c for c in candidates if low < c < high), key=float)


def _sign_changes(value: sympy.Expr, free: sympy.Symbol) -> set[sympy.Expr]:
    """Real zeros and poles; of a complex pair, the zeros of its real part."""
    if not _roots_in(value, free):
        return crossings(value, free)
    # a ± √b changes sign where its real part does (a = 0, b < 0) and where a² = b.
    root = _roots_in(value, free)[0]
    rest = sympy.expand(value).as_independent(root, as_Add=True)[0]
    return crossings(value, free) | zeros_of(sympy.numer(sympy.together(rest)), free)


def _roots_in(value: sympy.Expr, free: sympy.Symbol) -> list[sympy.Expr]:
    powers = value.atoms(sympy.Pow)
    return [part for part in powers if part.exp.is_Rational and part.exp.q == 2 and part.has(free)]


def crossings(value: sympy.Expr, free: sympy.Symbol) -> set[sympy.Expr]:
    """Real zeros and poles of an expression with one square root at most, and perhaps those of its conjugate."""
    roots = _roots_in(value, free)
    if not roots:
        above, below = sympy.fraction(sympy.together(value))
        return zeros_of(above, free) | zeros_of(below, free)
    part, rest = sympy.expand(value).as_independent(roots[0], as_Add=True)
    return zeros_of(sympy.numer(sympy.together(sympy.expand(part**2 - rest**2))), free)


def zeros_of(expr: sympy.Expr, free: sympy.Symbol) -> set[sympy.Expr]:
    """Real zeros, as far as they are known."""
    if not expr.has(free):
        return set()
    try:
        return set(sympy.Poly(expr, free).real_roots())
    except (sympy.PolynomialError, NotImplementedError):
        found = sympy.solveset(expr, free, sympy.Reals)
        return set(found) if isinstance(found, sympy.FiniteSet) else set()


def _growing(eigenvalues: tuple[sympy.Expr, ...], free: sympy.Symbol, place: sympy.Expr) -> int:
    values = [complex(value.subs(free, place)) for value in eigenvalues[:-1]]
    return sum(value.real > 1e-12 * max(abs(v) for v in values) for value in values)
