"""SymPy expressions as NumPy functions. User symbols never reach generated code under their own names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from typing import Any

import numpy as np
import sympy
from sympy.printing.numpy import NumPyPrinter

from dynsim.errors import bad
from dynsim.field import Field
from dynsim.symbolic.expectation import Average, Loop, loops
from dynsim.symbolic.stop_gradient import release

__all__ = ["CompiledFlow", "compile_expressions"]


def compile_expressions(
    expressions: Sequence[sympy.Expr], arguments: Sequence[sympy.Symbol], *, refine: int = 1
) -> Callable[..., list[Any]]:
    """Compile expressions into one NumPy function of the arguments, common subexpressions shared.

    Parameters
    ----------
    expressions : sequence of Expr
        Every free symbol must be among `arguments`.
    arguments : sequence of Symbol
        In the order in which the function takes them; scalars or arrays that broadcast.
    refine : int, optional
        Factor on the number of quadrature nodes, for expressions with an `Expectation` in them.

    Returns
    -------
    callable
        Returns a list with one scalar or array per expression. Values outside a function's domain are NaN
        or infinite, without a warning.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.symbolic.numeric import compile_expressions
    >>> keyword = sympy.Symbol("lambda")
    >>> compile_expressions([keyword**2], [keyword])(3.0)
    [np.float64(9.0)]
    """
    for item in expressions:
        if formal := sympy.sympify(item).find(Average):
            raise bad("expression", formal.pop(), "one without averages", "only a loss with random=… is averaged")
    shorter, sums = loops(expressions, refine)
    symbols = [*arguments, *(placeholder for loop in sums for placeholder in loop.placeholders)]
    raw = _lambdified(shorter, symbols)
    if not sums:
        return raw
    evaluated = [_summed(loop, arguments, refine) for loop in sums]

    def function(*values: Any) -> list[Any]:
        return raw(*values, *(total for evaluate in evaluated for total in evaluate(*values)))

    return function


def _lambdified(expressions: Sequence[sympy.Expr], arguments: Sequence[sympy.Symbol]) -> Callable[..., list[Any]]:
    safe = {symbol: sympy.Symbol(f"x{index}") for index, symbol in enumerate(arguments)}
    renamed = [sympy.sympify(item).xreplace(safe) for item in expressions]
    special = any(node.func.__module__.startswith("sympy.functions.special") for node in _functions(renamed))
    modules = [_NAMES, *(["scipy"] if special else []), "numpy"]
    raw = sympy.lambdify(list(safe.values()), renamed, modules=modules, printer=_Printer(), cse=True)

    def function(*values: Any) -> list[Any]:
        with np.errstate(all="ignore"):
            return raw(*map(_double, values))

    return function


def _double(value: Any) -> Any:
    """Return a number of NumPy's, which divides by zero and leaves a function's domain without an exception."""
    return np.float64(value) if isinstance(value, int | float) else value


def _summed(loop: Loop, arguments: Sequence[sympy.Symbol], refine: int) -> Callable[..., list[Any]]:
    """Compile the sums of a loop over the nodes of an expectation, whole arrays of members at a time."""
    before = compile_expressions([value for _, value in loop.before], arguments, refine=refine)
    inside = [*arguments, *(symbol for symbol, _ in loop.before), *loop.columns]
    terms = compile_expressions(list(loop.terms), inside, refine=refine)

    def function(*values: Any) -> list[Any]:
        arrays = [np.asarray(value, dtype=float) for value in (*values, *before(*values))]
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        rows = max(1, _AT_ONCE // max(1, math.prod(shape)))
        totals = [np.zeros(shape) for _ in loop.terms]
        for first in range(0, len(loop.table), rows):
            part = loop.table[first : first + rows]
            columns = [column.reshape(-1, *(1 for _ in shape)) for column in part.T]
            for total, term in zip(totals, terms(*arrays, *columns), strict=True):
                total += np.broadcast_to(term, (len(part), *shape)).sum(axis=0)
        return [total[()] for total in totals]

    return function


class _Printer(NumPyPrinter):
    """NumPy's printer, with maxima of arguments of different shapes."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True})

    def _print_Max(self, expr: sympy.Expr) -> str:
        return self._nested("maximum", expr.args)

    def _print_Min(self, expr: sympy.Expr) -> str:
        return self._nested("minimum", expr.args)

    def _nested(self, name: str, arguments: Sequence[sympy.Expr]) -> str:
        first, *rest = arguments
        return f"{name}({self._print(first)}, {self._nested(name, rest)})" if rest else str(self._print(first))


def _softplus(x: Any) -> Any:
    return np.logaddexp(0.0, x)


def _logcosh(x: Any) -> Any:
    size = np.abs(x)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1.0) / 2) ** 2)
    return np.where(size < 1, near, size + np.log1p(np.exp(-2 * size)) - math.log(2))


_NAMES: dict[str, Any] = {
    "softplus": _softplus,
    "sigmoid": lambda x: np.exp(-np.logaddexp(0.0, -x)),
    "logcosh": _logcosh,
    "logsumexp": lambda *x: reduce(np.logaddexp, x),
}
_AT_ONCE = 2**18  # doubles of one array over nodes and members


def _functions(expressions: Sequence[sympy.Expr]) -> set[sympy.Basic]:
    return {node for item in expressions for node in item.atoms(sympy.Function)}


class CompiledFlow:
    """Compiled right-hand side, Jacobian and observables of one flow."""

    def __init__(self, flow: Any) -> None:
        self.flow = flow
        self.arguments = [flow.symbols[name] for name in (*flow.states, *flow.parameters)]

    @cached_property
    def rhs(self) -> Callable[..., list[Any]]:
        """Entries of the right-hand side."""
        return compile_expressions(list(self.flow.rhs), self.arguments)

    @cached_property
    def observables(self) -> dict[str, Callable[..., list[Any]]]:
        """``{name: function}``; the value is the only entry of its list."""
        told = self.flow.observables.items()
        return {name: compile_expressions([release(item)], self.arguments) for name, item in told}

    @cached_property
    def jacobian(self) -> Callable[..., list[Any]]:
        """Entries of the Jacobian row by row; derived only when an implicit method asks for them."""
        n = len(self.flow.states)
        return compile_expressions([self.flow.jacobian[i, j] for i in range(n) for j in range(n)], self.arguments)

    def field(self, values: Mapping[str, Any]) -> Field:
        """Return the field at the given value of every parameter: a number, or an array over the last axis of `y`."""
        flow, constants, n = (
            self.flow,
            tuple(values[name] for name in self.flow.parameters),
            len(self.flow.states),
        )

        def function(t: Any, y: Any) -> Any:
            y = np.asarray(y, dtype=float)
            out = np.empty_like(y)
            for index, value in enumerate(self.rhs(*y, *constants)):
                out[index] = value
            return out

        def jacobian_function(t: Any, y: Any) -> Any:
            y = np.asarray(y, dtype=float)
            out = np.empty((n, *y.shape))
            for index, value in enumerate(self.jacobian(*y, *constants)):
                out[divmod(index, n)] = value
            return out

        def observable(raw: Callable[..., list[Any]]) -> Callable[[Any], Any]:
            def of(y: Any) -> Any:
                value = np.asarray(raw(*y, *constants)[0], dtype=float)
                return value if value.shape == y.shape[1:] else np.broadcast_to(value, y.shape[1:])

            return of

        return Field(
            flow.states,
            function,
            jacobian_function,
            roles=flow.roles,
            observables={name: observable(raw) for name, raw in self.observables.items()},
            about={**flow.about(), "parameters": dict(values)},
        )
