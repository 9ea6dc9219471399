"""The shorter of two equal forms, for reading."""

from __future__ import annotations

import sympy

__all__ = ["tidy"]

_LARGEST = 400  # beyond this many operations factoring costs more than it gives


def tidy(expression: sympy.Expr) -> sympy.Expr:
    """Return the expression or its factored form, whichever has fewer operations.

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
    turned = sympy.Mul(*(sympy.expand(-f) if _is_negated(f) else f for f in sympy.Mul.make_args(factored)))
    if turned.expand() != expression.expand():
        turned = -turned
    forms = (expression, factored, turned if turned.expand() == expression.expand() else factored)
    return min(reversed(forms), key=lambda form: form.count_ops())


def _is_negated(factor: sympy.Expr) -> bool:
    """Whether a sum starts with more minus signs than plus signs ends up readable the other way round."""
    return factor.is_Add and sum(term.could_extract_minus_sign() for term in factor.args) * 2 >= len(factor.args)
