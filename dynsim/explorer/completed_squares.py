"""Squares completed, so that what a flow conserves reads as a person writes it: (1−φ)² rather than φ² − 2φ."""

from __future__ import annotations

from collections.abc import Iterable

import sympy

__all__ = ["completed"]


def completed(expression: sympy.Expr, symbols: Iterable[sympy.Symbol]) -> tuple[sympy.Expr, sympy.Expr]:
    """Complete the square in every one of the symbols where the shift is a number.

    Returns
    -------
    squares, constant : expression
        ``squares + constant`` equals the expression; `constant` is free of the symbols.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.explorer.completed_squares import completed
    >>> completed(parse("theta^2 - (phi^2 - 2*phi)/alpha"), [parse("phi"), parse("theta")])
    (theta**2 - (1 - phi)**2/alpha, 1/alpha)
    """
    symbols = tuple(symbols)
    rest, squares, constant = sympy.expand_mul(expression), sympy.Integer(0), sympy.Integer(0)
    for symbol in symbols:
        square, slope = rest.coeff(symbol, 2), rest.coeff(symbol, 1)
        left = sympy.expand_mul(rest - square * symbol**2 - slope * symbol)
        if not square or not slope or square.has(*symbols) or slope.has(*symbols) or left.has(symbol):
            continue
        shift = sympy.cancel(-slope / (2 * square))
        if shift.is_Rational:
            squares += square * (shift - symbol) ** 2
            constant -= square * shift**2
            rest = left
    return (rest + squares, constant) if squares else (expression, sympy.Integer(0))
