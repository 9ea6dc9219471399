"""The functions that text may call, one line per function, and how their kinks are differentiated.

SymPy evaluates a function when it is applied. For symbols of which nothing is assumed that can be costly (it splits
the argument into real and imaginary parts) or surprising (``Abs(exp(x))`` becomes ``exp(re(x))``); where it is,
the entry says what is built instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import sympy
from sympy.functions.elementary.complexes import arg, conjugate, im, re

from dynsim.errors import InvalidType, bad

__all__ = [
    "CLASSES",
    "FUNCTIONS",
    "HYPERBOLIC",
    "Function",
    "has_stop_gradient",
    "logcosh",
    "logsumexp",
    "multiplied",
    "raised",
    "release",
    "sigmoid",
    "softplus",
    "stop_gradient",
]

HYPERBOLIC = (sympy.sinh, sympy.cosh, sympy.tanh)

_SMALL = 30  # parts of an argument up to which SymPy's questions about it are cheap
_COSTLY = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min, *HYPERBOLIC)


class stop_gradient(sympy.Function):
    """``stop_gradient(x)`` equals ``x``, and its derivative is zero.

    Nested uses collapse, the outermost counts; a number passes through. It prints as ``sg(·)``.

    Raises
    ------
    InvalidType
        The argument is no scalar expression or number. Text goes through `dynsim.parse`, which does not execute it.

    See Also
    --------
    gradient_flow : what resolves it.

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
        except (sympy.SympifyError, TypeError, ValueError):
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


class _Stable(sympy.Function):
    """A function kept in its stable form; digits beyond double precision come from what it is short for."""

    def _eval_evalf(self, precision: int) -> Any:
        return self.rewrite(sympy.exp)._eval_evalf(precision)


class _Positive(_Stable):
    nargs = 1

    def _eval_is_extended_positive(self) -> bool | None:
        return self.args[0].is_extended_real


class sigmoid(_Positive):
    """1/(1 + e^(−x)), finite and with its relative precision for every x; its derivative is σ(x)·σ(−x)."""

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        """Know the value at 0."""
        return sympy.S.Half if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative as a product, which is small without a difference of large terms."""
        return self * sigmoid(-self.args[0])

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **_: Any) -> sympy.Expr:
        return 1 / (1 + sympy.exp(-x))


class softplus(_Positive):
    """log(1 + e^x) without overflow; its derivative is the sigmoid."""

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        """Know the value at 0."""
        return sympy.log(2) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative."""
        return sigmoid(self.args[0])

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **_: Any) -> sympy.Expr:
        return sympy.log(1 + sympy.exp(x))


class logcosh(_Stable):
    """log cosh x without overflow and with its relative precision near 0; its derivative is tanh x."""

    nargs = 1

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        """Know the value at 0, and that the function is even."""
        if x.is_zero:
            return sympy.S.Zero
        return cls(-x) if x.could_extract_minus_sign() else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative."""
        return sympy.tanh(self.args[0])

    def _eval_rewrite_as_exp(self, x: sympy.Expr, **_: Any) -> sympy.Expr:
        return sympy.log((sympy.exp(x) + sympy.exp(-x)) / 2)

    def _eval_is_extended_nonnegative(self) -> bool | None:
        return self.args[0].is_extended_real


class logsumexp(_Stable):
    """log(e^x + e^y + …) without overflow; its derivatives are the softmax, e^(x − logsumexp)."""

    @classmethod
    def eval(cls, *x: sympy.Expr) -> sympy.Expr | None:
        """Know that one argument is its own."""
        return x[0] if len(x) == 1 else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the share of one argument."""
        return sympy.exp(self.args[argindex - 1] - self)

    def _eval_rewrite_as_exp(self, *x: sympy.Expr, **_: Any) -> sympy.Expr:
        return sympy.log(sympy.Add(*map(sympy.exp, x)))


@dataclass(frozen=True)
class Function:
    """What one function name means.

    Parameters
    ----------
    build : callable
        SymPy expressions in, SymPy expression out.
    number : callable
        The same for floats; raises ArithmeticError or ValueError where it has no finite real value.
    least, most : int
        How many arguments it takes.
    """

    build: Callable[..., sympy.Expr]
    number: Callable[..., float]
    least: int = 1
    most: int = 1


def _gently(function: Any) -> Callable[..., sympy.Expr]:
    """Let SymPy evaluate small arguments; keep large ones, and what would leave the reals, as written."""

    def build(*arguments: sympy.Expr) -> sympy.Expr:
        parts = list(islice(chain.from_iterable(map(sympy.preorder_traversal, arguments)), _SMALL + 1))
        if len(parts) <= _SMALL and not any(isinstance(part, _COSTLY) for part in parts):
            result = function(*arguments)
            if not any(map(_is_odd, sympy.preorder_traversal(result))):
                return result
        return function(*arguments, evaluate=False)

    return build


def _is_odd(part: sympy.Basic) -> bool:
    """Whether a part is complex, or a number times a sum that SymPy would have multiplied out anywhere else."""
    if isinstance(part, sympy.Mul):
        return len(part.args) == 2 and part.args[0].is_Number and part.args[1].is_Add
    return isinstance(part, (re, im, arg, conjugate))


def _point_mass(argument: sympy.Expr, order: sympy.Expr = sympy.S.Zero) -> sympy.Expr:
    if not (isinstance(order, sympy.Integer) and 0 <= order <= 64):
        raise ValueError("the order of DiracDelta is an integer from 0 to 64")
    if argument.is_number:
        return sympy.DiracDelta(argument, order)
    return sympy.DiracDelta(argument, *([order] if order else []), evaluate=False)


def _step(argument: sympy.Expr) -> sympy.Expr:
    return sympy.Heaviside(argument) if argument.is_number else sympy.Heaviside(argument, evaluate=False)


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


def _point_mass_number(x: float, order: float = 0.0) -> float:
    if x == 0:
        raise ValueError("a point mass has no value at zero")
    return 0.0


def _log(argument: sympy.Expr) -> sympy.Expr:
    """Take the logarithm, of what can overflow or vanish by its stable form: log(1 + exp(x)) is softplus(x)."""
    if isinstance(argument, sympy.exp):
        return argument.args[0]
    if isinstance(argument, sigmoid):
        return -softplus(-argument.args[0])
    if isinstance(argument, sympy.cosh):
        return logcosh(argument.args[0])
    terms = sympy.Add.make_args(argument)
    powers = [_exponent(term) for term in terms]
    if 1 < len(terms) <= _MOST_TERMS and None not in powers and any(term.has(sympy.exp) for term in terms):
        low, high = (powers if powers[0] == 0 else powers[::-1]) if len(powers) == 2 else (None, None)
        return softplus(high) if low == 0 else logsumexp(*powers)
    return sympy.log(argument)


def _exponent(term: sympy.Expr) -> sympy.Expr | None:
    """Return x where the term is c·exp(x) with a positive number c, log c included; None for any other term."""
    number, rest = term.as_coeff_Mul()
    if not number > 0 or not (rest == 1 or isinstance(rest, sympy.exp)):
        return None
    return sympy.log(number) + (0 if rest == 1 else rest.args[0])


def raised(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    """Raise to a power; 1/(1 + exp(x)) is sigmoid(−x)."""
    if exponent.is_Integer and exponent < 0 and isinstance(base, sympy.Add) and len(base.args) == 2:
        other = base - 1
        if isinstance(other, sympy.exp):
            return sigmoid(-other.args[0]) ** -exponent
    return sympy.Pow(base, exponent)


def multiplied(*factors: sympy.Expr) -> sympy.Expr:
    """Multiply; exp(x)·sigmoid(−x) is sigmoid(x)."""
    for i, power in enumerate(factors):
        if isinstance(power, sympy.exp):
            partner = sigmoid(-power.args[0])
            if partner in factors:
                rest = list(factors)
                rest[i] = sigmoid(power.args[0])
                rest.remove(partner)
                return sympy.Mul(*rest)
    return sympy.Mul(*factors)


def _number_softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _number_sigmoid(x: float) -> float:
    return math.exp(-_number_softplus(-x))


_MOST_TERMS = 16
_SG = Function(stop_gradient, float)
_LOG = Function(_log, math.log)
_ABS = Function(_gently(sympy.Abs), abs)
_MAX = Function(_gently(sympy.Max), max, 2, 16)
_MIN = Function(_gently(sympy.Min), min, 2, 16)

FUNCTIONS: dict[str, Function] = {
    "sg": _SG,
    "stop_gradient": _SG,
    "exp": Function(sympy.exp, math.exp),
    "log": _LOG,
    "ln": _LOG,
    "sin": Function(sympy.sin, math.sin),
    "cos": Function(sympy.cos, math.cos),
    "tan": Function(sympy.tan, math.tan),
    "cot": Function(sympy.cot, lambda x: 1 / math.tan(x)),
    "asin": Function(sympy.asin, math.asin),
    "acos": Function(sympy.acos, math.acos),
    "atan": Function(sympy.atan, math.atan),
    "sinh": Function(sympy.sinh, math.sinh),
    "cosh": Function(sympy.cosh, math.cosh),
    "tanh": Function(sympy.tanh, math.tanh),
    "asinh": Function(sympy.asinh, math.asinh),
    "acosh": Function(sympy.acosh, math.acosh),
    "atanh": Function(sympy.atanh, math.atanh),
    "erf": Function(sympy.erf, math.erf),
    "sigmoid": Function(sigmoid, _number_sigmoid),
    "softplus": Function(softplus, _number_softplus),
    "logcosh": Function(logcosh, lambda x: _number_softplus(2 * x) - x - math.log(2)),
    "logsumexp": Function(logsumexp, lambda *x: max(x) + math.log(math.fsum(math.exp(v - max(x)) for v in x)), 1, 16),
    "relu": Function(lambda x: _MAX.build(sympy.S.Zero, x), lambda x: max(x, 0.0)),
    "abs": _ABS,
    "Abs": _ABS,
    "sign": Function(_gently(sympy.sign), _sign),
    "max": _MAX,
    "Max": _MAX,
    "min": _MIN,
    "Min": _MIN,
    "heaviside": Function(_step, lambda x: (1 + _sign(x)) / 2),
    "Heaviside": Function(_step, lambda x: (1 + _sign(x)) / 2),
    "DiracDelta": Function(_point_mass, _point_mass_number, 1, 2),
}
"""Every name that may stand before a "(". Some are there because derivatives need them: cot, Heaviside, DiracDelta."""

CLASSES: tuple[type, ...] = (
    stop_gradient,
    *(sympy.exp, sympy.log, sympy.sin, sympy.cos, sympy.tan, sympy.cot, sympy.asin, sympy.acos, sympy.atan),
    *(sympy.sinh, sympy.cosh, sympy.tanh, sympy.asinh, sympy.acosh, sympy.atanh, sympy.erf),
    *(sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.Heaviside, sympy.DiracDelta),
    *(sigmoid, softplus, logcosh, logsumexp),
)
"""The SymPy functions that applying these can give."""
