"""Expressions as JavaScript: printed from the parsed tree, user names never reach the code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from sympy.printing.jscode import JavascriptCodePrinter

from dynsim.errors import InvalidValue, bad
from dynsim.symbolic.expectation import Loop, loops
from dynsim.symbolic.functions import release

__all__ = ["function_body", "javascript", "product_rule"]

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

    _print_Dummy = _print_Symbol

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


def function_body(
    expressions: Sequence[Any],
    names: Mapping[sympy.Symbol, str],
    target: str = "out",
    tables: list[np.ndarray] | None = None,
) -> str:
    """Statements that fill ``target[0], target[1], …``; common subexpressions are computed once.

    Averages that are quadratures become loops over nodes, which `product_rule` prints as data: no statement grows
    with their number.

    Parameters
    ----------
    expressions : sequence of Expr
    names : mapping
        What a symbol is in JavaScript.
    tables : list, optional
        Tables of nodes; those that are needed and are not in it are appended, and ``TABLES[i]`` names them.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.pages.javascript import function_body
    >>> w = sympy.Symbol("w")
    >>> function_body([w + 1], {w: "y[0]"})
    'out[0] = y[0] + 1;'
    """
    released = [release(sympy.sympify(item)) for item in expressions]
    try:
        return " ".join(_Body(names, tables).statements(released, target + "[{}] = {};"))
    except NotImplementedError as error:
        raise InvalidValue(f"expression: a page cannot compute it: {error}") from error


class _Body:
    """Statements of one function; every name it invents is its own."""

    def __init__(self, names: Mapping[sympy.Symbol, str], tables: list[np.ndarray] | None) -> None:
        self.names, self.tables, self.count = dict(names), tables, 0

    def fresh(self, symbol: sympy.Symbol, letter: str) -> str:
        self.names[symbol] = f"{letter}{self.count}"
        self.count += 1
        return self.names[symbol]

    def statements(self, expressions: Sequence[sympy.Expr], assign: str, sums: Sequence[str] = ()) -> list[str]:
        """Fill ``assign`` with index, or name, and value of every expression."""
        shorter, found = loops(expressions)
        lines = [line for loop in found for line in self.loop(loop)]
        shared, reduced = sympy.cse(shorter, sympy.numbered_symbols("_x", cls=sympy.Dummy))
        for symbol, value in shared:
            printed = _JavaScriptPrinter(self.names).doprint(value)
            lines.append(f"const {self.fresh(symbol, 'x')} = {printed};")
        printer = _JavaScriptPrinter(self.names)
        return [
            *lines,
            *[assign.format(sums[i] if sums else i, printer.doprint(one)) for i, one in enumerate(reduced)],
        ]

    def loop(self, loop: Loop) -> list[str]:
        if self.tables is None:
            raise bad("expression", "an average that is a quadrature", "tables= for its nodes")
        lines = []
        for symbol, value in loop.before:
            printed = _JavaScriptPrinter(self.names).doprint(value)
            lines.append(f"const {self.fresh(symbol, 'b')} = {printed};")
        index = next((i for i, known in enumerate(self.tables) if np.array_equal(known, loop.table)), len(self.tables))
        if index == len(self.tables):
            self.tables.append(loop.table)
        row = self.fresh(sympy.Dummy("row"), "r")
        columns = [
            f"const {self.fresh(one, 'g')} = TABLES[{index}][{row} + {i}];" for i, one in enumerate(loop.columns)
        ]
        sums = [self.fresh(one, "e") for one in loop.placeholders]
        body = self.statements(loop.terms, "{} += {};", sums)
        head = f"for (let {row} = 0; {row} < TABLES[{index}].length; {row} += {loop.table.shape[1]}) {{"
        return [*lines, f"let {', '.join(f'{one} = 0' for one in sums)};", head, *columns, *body, "}"]


def product_rule(table: np.ndarray) -> str:
    """Print a table of nodes as what it is made of: points and weights along each of its dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.pages.javascript import product_rule
    >>> product_rule(np.array([[-1.0, 0.5], [1.0, 0.5]]))
    'productRule([[-1.0, 1.0]], [[0.5, 0.5]])'
    """
    points, shares = [], []
    total = table[:, -1].sum()
    for column in table[:, :-1].T:
        values = np.array(list(dict.fromkeys(column.tolist())))
        points.append(values.tolist())
        # A row weighs the product of one weight per dimension: sums over the others give these, but for a factor.
        shares.append([float(table[column == value, -1].sum() / total) for value in values])
    shares[0] = [share * total for share in shares[0]]
    return f"productRule({json.dumps(points)}, {json.dumps(shares)})"
