"""Values of parameters: fixed, tied to one another, or moving with the time.

A schedule such as ``"0.2 + 1e-4*t"`` becomes ``eta_s[0] + eta_s[1]*t`` with two hidden parameters, so that another
ramp of the same form is the same flow with other numbers: nothing is derived or compiled again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import Any

import sympy

from dynsim.errors import bad, unknown
from dynsim.names import TIME
from dynsim.symbolic.expressions import plain, substitute

__all__ = ["hidden_parameters", "is_text", "schedules_of"]

_UNORDERED = (sympy.Add, sympy.Mul, sympy.Max, sympy.Min)


def is_text(value: object) -> bool:
    """Whether a value of a parameter is to be read as an expression: text, or SymPy with symbols in it."""
    return isinstance(value, str) or (isinstance(value, sympy.Expr) and bool(value.free_symbols))


def schedules_of(
    given: Mapping[str, Any], parameters: Collection[str]
) -> tuple[dict[str, Any], dict[str, sympy.Expr]]:
    """Split values of parameters into plain ones and expressions in t and other parameters.

    Returns
    -------
    numbers, schedules : dict
        Text that is a constant counts as a number. Schedules that mention one another are resolved.

    Raises
    ------
    InvalidValue, UnknownName, ParseError
        An expression in anything but t and the parameters, or that leads back to itself.

    Examples
    --------
    >>> from dynsim.symbolic.parameters import schedules_of
    >>> schedules_of({"alpha": "1/2", "beta": "alpha*t", "eta": 3}, ("alpha", "beta", "eta"))
    ({'alpha': 0.5, 'eta': 3}, {'beta': alpha*t})
    """
    numbers: dict[str, Any] = {}
    schedules: dict[str, sympy.Expr] = {}
    for name, value in given.items():
        if not is_text(value):
            numbers[name] = value
            continue
        expr = plain(f"parameters['{name}']", value)
        for symbol in sorted(expr.free_symbols, key=str):
            if symbol.name != TIME and symbol.name not in parameters:
                raise unknown(f"symbol in parameters['{name}']", symbol.name, [TIME, *parameters])
        if expr.free_symbols:
            schedules[name] = expr
        else:
            numbers[name] = float(expr)
    for _ in schedules:
        schedules = {name: substitute(expr, schedules) for name, expr in schedules.items()}
    for name, expr in schedules.items():
        if {symbol.name for symbol in expr.free_symbols} & set(schedules):
            raise bad(f"parameters['{name}']", given[name], f"an expression in {TIME}", "it leads back to itself")
    return numbers, schedules


def hidden_parameters(name: str, schedule: sympy.Expr) -> tuple[sympy.Expr, dict[str, float]]:
    """Replace the numbers in a schedule by hidden parameters, which nobody can type.

    Exponents and the numbers 0, 1 and −1 belong to the form and stay.

    Returns
    -------
    expression : Expr
    values : dict
        ``{"name[0]": number, …}``.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.symbolic.parameters import hidden_parameters
    >>> hidden_parameters("eta", dynsim.parse("0.2 + 1e-4*t^2"))
    (eta[0] + eta[1]*t**2, {'eta[0]': 0.2, 'eta[1]': 0.0001})
    """
    values: dict[str, float] = {}
    labels = (f"{name}[{index}]" for index in count())
    return _lifted(schedule, labels, values), values


def _lifted(expr: sympy.Expr, labels: Iterator[str], values: dict[str, float]) -> sympy.Expr:
    if expr.is_Rational or expr.is_Float:
        if expr in (0, 1, -1):
            return expr
        label = next(labels)
        values[label] = float(expr)
        return sympy.Symbol(label)
    if not expr.args:
        return expr
    if expr.is_Pow and expr.exp.is_number:
        return expr.func(_lifted(expr.base, labels, values), expr.exp)
    parts = sorted(expr.args, key=_form) if isinstance(expr, _UNORDERED) else expr.args
    return expr.func(*[_lifted(part, labels, values) for part in parts])


def _form(expr: sympy.Expr) -> str:
    """Text of an expression without its numbers, so that an order does not depend on them."""
    if not expr.args:
        return "#" if expr.is_number else str(expr)
    parts = map(_form, expr.args)
    return f"{expr.func.__name__}({', '.join(sorted(parts) if isinstance(expr, _UNORDERED) else parts)})"
