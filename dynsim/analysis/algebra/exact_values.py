"""A flow at rational parameter values, so that algebra on it is exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import sympy

from dynsim.errors import InvalidType, bad
from dynsim.symbolic.flow import Flow

__all__ = ["at_exact_values", "rational", "without_floats"]


def at_exact_values(flow: Flow, parameters: Mapping[Any, Any] | None) -> tuple[Flow, bool]:
    """Fix every parameter to a rational number.

    A float is read as the decimal it prints as; an irrational SymPy number as its first thirty digits.

    Returns
    -------
    flow : Flow
        Without parameters.
    exact : bool
        Whether all given values were exact, so that results may be too.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A value that is no finite number, or at which the right-hand side is not finite.

    Examples
    --------
    >>> import dynsim
    >>> flow, exact = at_exact_values(dynsim.system("toy"), {"alpha": 0.3})
    >>> flow.rhs[0].factor(), exact
    (-3*theta**2*(phi - 1)/10, False)
    """
    values = flow.values(parameters)
    given = [values[name] for name in flow.parameters if parameters and name in {str(key) for key in parameters}]
    exact = all(_is_exact(value) for value in given)
    fixed = without_floats(flow.fix({name: rational(f"parameter '{name}'", value) for name, value in values.items()}))
    if fixed.rhs.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo):
        raise bad("parameters", values, "values at which the right-hand side is finite")
    return fixed, exact


def without_floats(flow: Flow) -> Flow:
    """Return the flow with every floating-point number in its right-hand side as the decimal it prints as.

    Examples
    --------
    >>> import dynsim
    >>> without_floats(dynsim.system("toy").fix(alpha=0.3)).rhs[0].factor()
    -3*theta**2*(phi - 1)/10
    """
    numbers = {number: sympy.Rational(str(number)) for number in flow.rhs.atoms(sympy.Float)}
    return replace(flow, rhs=flow.rhs.xreplace(numbers)) if numbers else flow


def _is_exact(value: Any) -> bool:
    if isinstance(value, sympy.Basic):
        return bool(value.is_Rational)
    return isinstance(value, Integral | Fraction)


def rational(argument: str, value: Any) -> sympy.Rational:
    """A number as a rational one, as `at_exact_values` reads it."""
    if isinstance(value, sympy.Basic) and value.is_number and value.is_real:
        return value if value.is_Rational else sympy.Rational(str(value.evalf(30)))
    if isinstance(value, Integral | Fraction) and not isinstance(value, bool):
        return sympy.Rational(value.numerator, value.denominator)
    if not isinstance(value, Real) or isinstance(value, bool):
        raise bad(argument, value, "a real number", kind=InvalidType)
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        raise bad(argument, value, "a finite number")
    return sympy.Rational(str(number))
