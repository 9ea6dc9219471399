"""The shorter of several equal forms, for reading."""

from __future__ import annotations

import sympy

__all__ = ["tidy"]

_LARGEST = 400  # beyond this many operations factoring costs more than it gives


def tidy(expression: sympy.Expr) -> sympy.Expr:
    """Return the shortest of the expression, its factored form, and that with its signs inside the sums.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.symbolic.tidy import tidy
    >>> phi, theta = sympy.symbols("phi theta")
    >>> tidy(-theta*(phi*theta - theta))
    theta**2*(1 - phi)
    """
    if expression.count_ops() > _LARGEST:
        return expression
    factored = sympy.factor(expression)
    return min((_sign_inside(factored), factored, expression), key=lambda form: form.count_ops())


def _sign_inside(product: sympy.Expr) -> sympy.Expr:
    """−θ(φ − 1) as θ(1 − φ): the minus sign goes into the first sum that it shortens."""
    if not product.is_Mul or not product.could_extract_minus_sign():
        return product
    for factor in product.args:
        if factor.is_Add:
            return (-product / factor) * sympy.expand(-factor)
    return product
