"""Expressions as sums of monomials in some symbols and in the functions of them that are no polynomials."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import sympy
from sympy import Add, Expr, Mul, Pow, S, Symbol

__all__ = ["Monomial", "affine", "expanded", "is_whole", "monomials", "powers_of"]

MOST_TERMS = 4000
Monomial = frozenset[tuple[Expr, int]]
"""What is raised to which power."""


def is_whole(power: Expr) -> bool:
    """Whether an exponent is a positive integer."""
    return bool(power.is_Integer and power > 0)


def powers_of(factor: Expr) -> list[tuple[Expr, int]]:
    """Return the factors of a product with their positive integer powers; anything else is a factor to the power 1."""
    powers: dict[Expr, int] = {}
    for part in Mul.make_args(factor):
        base, power = (part.base, int(part.exp)) if isinstance(part, Pow) and is_whole(part.exp) else (part, 1)
        powers[base] = powers.get(base, 0) + power
    return list(powers.items())


def expanded(expression: Expr) -> Expr:
    """Multiply out, the functions in it left as they are where it is a sum."""
    return sympy.expand(expression, deep=False) if expression.is_Add else sympy.expand(expression)


def monomials(expression: Expr, over: frozenset[Symbol]) -> dict[Monomial, Expr] | None:
    """Expand in the random symbols and in the functions of them: monomial → coefficient; None if that is too long."""
    if not expression.free_symbols & over:
        return {frozenset(): expression}
    if isinstance(expression, Add):
        total: dict[Monomial, list[Expr]] = {}
        for part in expression.args:
            inside = monomials(part, over)
            if inside is None:
                return None
            for term, value in inside.items():
                total.setdefault(term, []).append(value)
        return {term: Add(*values) for term, values in total.items()}
    if isinstance(expression, Mul):
        result: dict[Monomial, Expr] = {frozenset(): S.One}
        for part in expression.args:
            times = _times(result, monomials(part, over))
            if times is None:
                return None
            result = times
        return result
    if isinstance(expression, Pow) and is_whole(expression.exp):
        base = monomials(expression.base, over)
        one: dict[Monomial, Expr] = {frozenset(): S.One}
        power: dict[Monomial, Expr] | None = one
        for _ in range(int(expression.exp)):
            power = _times(power, base)
        return power
    return {frozenset({(expression, 1)}): S.One}


def _times(one: dict[Monomial, Expr] | None, other: dict[Monomial, Expr] | None) -> dict[Monomial, Expr] | None:
    if one is None or other is None or len(one) * len(other) > MOST_TERMS:
        return None
    total: dict[Monomial, list[Expr]] = {}
    for (term, a), (more, b) in product(one.items(), other.items()):
        powers: dict[Expr, int] = dict(term)
        for base, power in more:
            powers[base] = powers.get(base, 0) + power
        total.setdefault(frozenset(powers.items()), []).append(a * b)
    return {term: sympy.expand_mul(Add(*values)) for term, values in total.items()}


def affine(form: Expr, symbols: Iterable[Symbol]) -> tuple[dict[Symbol, Expr], Expr] | None:
    """Slopes and constant of a form that is affine in the symbols, else None."""
    over = frozenset(symbols)
    terms = monomials(form, over)
    if terms is None:
        return None
    slopes, constant = {}, S.Zero
    for term, value in terms.items():
        if not term:
            constant = value
        elif len(term) == 1 and next(iter(term))[0] in over and next(iter(term))[1] == 1:
            slopes[next(iter(term))[0]] = value
        else:
            return None
    return slopes, constant
