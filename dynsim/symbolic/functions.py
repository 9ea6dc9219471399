"""The functions that text may call: one line per function.

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

from dynsim.symbolic.stop_gradient import stop_gradient

__all__ = ["CLASSES", "FUNCTIONS", "HYPERBOLIC", "Function"]

HYPERBOLIC = (sympy.sinh, sympy.cosh, sympy.tanh)

_SMALL = 30  # parts of an argument up to which SymPy's questions about it are cheap
_COSTLY = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min, *HYPERBOLIC)


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


_SG = Function(stop_gradient, float)
_LOG = Function(sympy.log, math.log)
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
    "abs": _ABS,
    "Abs": _ABS,
    "sign": Function(_gently(sympy.sign), _sign),
    "max": _MAX,
    "Max": _MAX,
    "min": _MIN,
    "Min": _MIN,
    "Heaviside": Function(_step, lambda x: (1 + _sign(x)) / 2),
    "DiracDelta": Function(_point_mass, _point_mass_number, 1, 2),
}
"""Every name that may stand before a "(". Some are there because derivatives need them: cot, Heaviside, DiracDelta."""

CLASSES: tuple[type, ...] = (
    stop_gradient,
    *(sympy.exp, sympy.log, sympy.sin, sympy.cos, sympy.tan, sympy.cot, sympy.asin, sympy.acos, sympy.atan),
    *(sympy.sinh, sympy.cosh, sympy.tanh, sympy.asinh, sympy.acosh, sympy.atanh, sympy.erf),
    *(sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.Heaviside, sympy.DiracDelta),
)
"""The SymPy functions that applying these can give."""
