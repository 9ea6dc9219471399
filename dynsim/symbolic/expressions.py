"""What enters a flow: expressions, and states and parameters given by name or by Symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from dynsim.errors import InvalidType, bad

__all__ = ["almost_everywhere", "expression", "name_of", "names_of", "substitute", "symbol_table"]

_ABOUT_SYMBOLS = "rename one of them, or create them the same way"


def name_of(argument: str, value: object) -> str:
    """Name of a state or parameter given as a string or as a Symbol."""
    if isinstance(value, sympy.Symbol):
        return str(value.name)
    if isinstance(value, str) and value:
        return value
    raise bad(argument, value, "a name or a SymPy Symbol", kind=InvalidType)


def names_of(argument: str, values: object) -> tuple[str, ...]:
    """Names of several states; one name or Symbol alone counts as a list of one."""
    if isinstance(values, str | sympy.Symbol):
        values = [part.strip() for part in values.split(",")] if isinstance(values, str) else [values]
    if not isinstance(values, Iterable):
        raise bad(argument, values, "a sequence of names or Symbols", kind=InvalidType)
    names = tuple(name_of(argument, value) for value in values)
    if not names:
        raise bad(argument, names, "at least one state")
    for name in names:
        if names.count(name) > 1:
            raise bad(argument, names, "every state once", f"'{name}' stands twice")
    return names


def expression(argument: str, value: object) -> sympy.Expr:
    """Turn text, a number or a SymPy expression into a real scalar expression, or say what is wrong with it."""
    if isinstance(value, str):
        from dynsim.symbolic.parser import parse

        return parse(value)
    if isinstance(value, sympy.MatrixBase | list | tuple | dict):
        raise bad(argument, value, "a scalar expression", "sum or trace it first", kind=InvalidType)
    try:
        result = value if isinstance(value, sympy.Basic) else sympy.Float(value) + 0
        if isinstance(value, int):
            result = sympy.Integer(value)
    except (TypeError, ValueError):
        raise bad(argument, value, "a SymPy expression, a number or text", kind=InvalidType) from None
    if not isinstance(result, sympy.Expr):
        raise bad(argument, value, "a scalar expression, not a condition", kind=InvalidType)
    if result.has(sympy.I):
        raise bad(argument, value, "a real expression", "it contains the imaginary unit")
    if result.has(sympy.nan, sympy.oo, -sympy.oo, sympy.zoo):
        raise bad(argument, value, "a finite expression")
    if any(getattr(part, "is_extended_real", None) is False for part in sympy.preorder_traversal(result)):
        raise bad(argument, value, "a real expression", "a part of it is not real")
    unknown_functions = sorted(str(node.func) for node in result.atoms(AppliedUndef))
    if unknown_functions:
        raise bad(argument, value, "known functions only", f"'{unknown_functions[0]}' is undefined")
    if result.has(sympy.Derivative, sympy.Integral, sympy.MatrixSymbol):
        raise bad(argument, value, "a closed expression", "evaluate derivatives and integrals first")
    return result


def symbol_table(expressions: Iterable[sympy.Basic], states: Iterable[str] = ()) -> dict[str, sympy.Symbol]:
    """Map every name to its Symbol; two Symbols of one name with different assumptions are an error."""
    table: dict[str, sympy.Symbol] = {}
    for item in expressions:
        for symbol in item.free_symbols:
            other = table.setdefault(symbol.name, symbol)
            if other != symbol:
                raise bad(
                    "symbols",
                    symbol.name,
                    "one Symbol per name",
                    f"'{symbol.name}' occurs with different assumptions; {_ABOUT_SYMBOLS}",
                )
    for name in states:
        table.setdefault(name, sympy.Symbol(name))
    return table


def substitute(expr: Any, values: Mapping[str, Any]) -> Any:
    """Replace symbols by name, all at once, whatever their assumptions."""
    table = {symbol: values[symbol.name] for symbol in expr.free_symbols if symbol.name in values}
    return expr.subs(table, simultaneous=True) if table else expr


def almost_everywhere(expr: Any) -> Any:
    """Drop the point masses that differentiating a kink twice leaves behind; they act on no open set."""
    return expr.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)
