"""The stop-gradient as a SymPy function: the identity in value, a constant under differentiation."""

from __future__ import annotations

from typing import Any

import sympy

from dynsim.errors import InvalidType, bad

__all__ = ["has_stop_gradient", "release", "stop_gradient"]


class stop_gradient(sympy.Function):
    """``stop_gradient(x)`` equals ``x``, and its derivative is zero.

    Nested uses collapse, the outermost counts; a number passes through. It prints as ``sg(·)``.

    Raises
    ------
    InvalidType
        The argument is no scalar expression or number. Text goes through `dynsim.parse`, which does not execute it.

    Notes
    -----
    A flow resolves it *after* the gradient is taken and *before* the Jacobian is: differentiating twice
    with it still inside gives a wrong Hessian and wrong stabilities. ``sympy.solve`` recognises by derivatives what an
    expression depends on: give it the released expression.

    References
    ----------
    Chen & He, "Exploring Simple Siamese Representation Learning", arXiv:2011.10566.

    Examples
    --------
    >>> import sympy
    >>> from dynsim import stop_gradient
    >>> theta = sympy.Symbol("theta")
    >>> stop_gradient(theta).diff(theta)
    0
    >>> stop_gradient(theta**2 + stop_gradient(theta))
    sg(theta**2 + theta)
    >>> stop_gradient(2)
    2
    """

    nargs = 1

    def __new__(cls, argument: Any, **options: Any) -> Any:
        """Check the argument before SymPy would evaluate text as code."""
        try:
            inner = sympy.sympify(argument, strict=True)
        except sympy.SympifyError:
            inner = None
        if not isinstance(inner, sympy.Expr) or inner.is_Matrix:
            advice = "apply it to every entry, and parse text first"
            raise bad("expression", argument, "a scalar SymPy expression or a number", advice, kind=InvalidType)
        return super().__new__(cls, inner, **options)

    @classmethod
    def eval(cls, argument: sympy.Expr) -> sympy.Expr | None:
        """Pass numbers through and flatten nested uses."""
        if argument.is_number:
            return argument
        inner = release(argument)
        return None if inner == argument else cls(inner)

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative, which is zero by definition."""
        return sympy.S.Zero

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return sympy.S.Zero

    # The value is that of the argument, so what is known of the one is known of the other.
    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real

    def _eval_is_finite(self) -> bool | None:
        return self.args[0].is_finite

    def _eval_is_extended_positive(self) -> bool | None:
        return self.args[0].is_extended_positive

    def _eval_is_extended_negative(self) -> bool | None:
        return self.args[0].is_extended_negative

    def _eval_is_zero(self) -> bool | None:
        return self.args[0].is_zero

    def _sympystr(self, printer: Any) -> str:
        return f"sg({printer._print(self.args[0])})"

    def _pretty(self, printer: Any) -> Any:
        return printer._helper_print_function(self.func, self.args, func_name="sg")

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = f"^{{{exp}}}" if exp is not None else ""
        return rf"\operatorname{{sg}}{power}\left({printer._print(self.args[0])}\right)"


def has_stop_gradient(expression: sympy.Basic) -> bool:
    """Whether a stop-gradient occurs anywhere in the expression."""
    return bool(expression.has(stop_gradient))


def release(expression: sympy.Basic) -> Any:
    """Remove every stop-gradient: the value stays, the derivative comes back."""
    return expression.replace(stop_gradient, lambda inner: inner)
