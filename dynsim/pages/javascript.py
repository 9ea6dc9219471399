"""Expressions as JavaScript: printed from the parsed tree, user names never reach the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from sympy.printing.jscode import JavascriptCodePrinter

from dynsim.errors import InvalidValue, bad
from dynsim.symbolic.functions import release

__all__ = ["function_body", "javascript"]

_RUNTIME = {"sigmoid": "sigmoid", "softplus": "softplus", "logcosh": "logcosh", "logsumexp": "logsumexp", "erf": "erf"}


class _JavaScriptPrinter(JavascriptCodePrinter):
    """SymPy's printer, with integer powers as products and the kinks and stable functions of dynsim's texts."""

    def __init__(self, names: Mapping[sympy.Symbol, str]) -> None:
        super().__init__({"precision": 17})
        self._names = names

    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        if symbol not in self._names:
            raise bad("expression", symbol.name, "only states, parameters and t in what a page computes")
        return self._names[symbol]

    def _print_Pow(self, power: sympy.Pow, rational: bool = False) -> str:
        base, exponent = power.as_base_exp()
        if exponent.is_Integer and 2 <= abs(exponent) <= 4:
            product = "*".join([f"({self._print(base)})"] * abs(int(exponent)))
            return f"({product})" if exponent > 0 else f"(1/({product}))"
        if exponent == -1:
            return f"(1/({self._print(base)}))"
        if exponent == sympy.S.Half:
            return f"Math.sqrt({self._print(base)})"
        return f"Math.pow({self._print(base)}, {self._print(exponent)})"

    def _print_Heaviside(self, step: sympy.Heaviside) -> str:
        return f"((Math.sign({self._print(step.args[0])})+1)/2)"

    def _print_DiracDelta(self, _: sympy.Expr) -> str:
        return "0"

    def _print_Infinity(self, _: sympy.Expr) -> str:
        return "Infinity"

    def _print_NegativeInfinity(self, _: sympy.Expr) -> str:
        return "-Infinity"

    def _print_NaN(self, _: sympy.Expr) -> str:
        return "NaN"

    def _print_BooleanTrue(self, _: sympy.Basic) -> str:
        return "true"

    def _print_Function(self, call: sympy.Expr) -> str:
        name = type(call).__name__
        arguments = ", ".join(self._print(argument) for argument in call.args)
        if name in _RUNTIME:
            return f"{_RUNTIME[name]}({arguments})"
        if name in self.known_functions:
            return f"{self.known_functions[name]}({arguments})"
        rewritten = call.rewrite((sympy.exp, sympy.sin, sympy.cos, sympy.log, sympy.Piecewise))
        if rewritten.has(type(call)):
            raise bad(
                "expression", name, "functions that a page can compute", "use the explorer in a notebook instead"
            )
        return str(self._print(rewritten))

    def _print_cot(self, call: sympy.cot) -> str:
        return f"(1/Math.tan({self._print(call.args[0])}))"

    _print_sigmoid = _print_softplus = _print_logcosh = _print_logsumexp = _print_erf = _print_Function


def javascript(expression: Any, names: Mapping[sympy.Symbol, str]) -> str:
    """One expression; symbols are printed as `names` says.

    Raises
    ------
    InvalidValue
        A symbol without a name, or a function that a page cannot compute.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.pages.javascript import javascript
    >>> w, keyword = sympy.Symbol("w"), sympy.Symbol("function")
    >>> javascript(keyword * w**2, {w: "y[0]", keyword: "p[0]"})
    'p[0]*((y[0])*(y[0]))'
    """
    return str(_JavaScriptPrinter(names).doprint(release(sympy.sympify(expression))))


def function_body(expressions: Sequence[Any], names: Mapping[sympy.Symbol, str], target: str = "out") -> str:
    """Statements that fill ``target[0], target[1], …``; common subexpressions are computed once.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.pages.javascript import function_body
    >>> w = sympy.Symbol("w")
    >>> function_body([w + 1], {w: "y[0]"})
    'out[0] = y[0] + 1;'
    """
    shared, reduced = sympy.cse([release(sympy.sympify(item)) for item in expressions], sympy.numbered_symbols("_x"))
    known = {**names, **{symbol: f"x{index}" for index, (symbol, _) in enumerate(shared)}}
    printer = _JavaScriptPrinter(known)
    try:
        lines = [f"const {known[symbol]} = {printer.doprint(value)};" for symbol, value in shared]
        lines += [f"{target}[{index}] = {printer.doprint(value)};" for index, value in enumerate(reduced)]
    except NotImplementedError as error:
        raise InvalidValue(f"expression: a page cannot compute it: {error}") from error
    return " ".join(lines)
