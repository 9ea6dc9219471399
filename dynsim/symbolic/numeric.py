"""SymPy expressions as NumPy functions. User symbols never reach generated code under their own names.

`VectorFunction` is the one way from expressions in states and parameters to a function of a state vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, reduce
from typing import Any

import numpy as np
import sympy
from sympy.printing.numpy import SciPyPrinter

from dynsim.errors import bad
from dynsim.names import TIME
from dynsim.symbolic.expectation import Average, Loop, loops

__all__ = ["VectorFunction", "compile_expressions"]

COMPILED = 256
"""How many compiled functions are kept; the one that was not asked for longest is forgotten first."""


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
    return _compiled(tuple(map(sympy.sympify, expressions)), tuple(arguments), refine)


@lru_cache(maxsize=COMPILED)
def _compiled(
    expressions: tuple[sympy.Expr, ...], arguments: tuple[sympy.Symbol, ...], refine: int
) -> Callable[..., list[Any]]:
    for item in expressions:
        if formal := item.find(Average):
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


class _Printer(SciPyPrinter):
    """The printer for NumPy and SciPy, with maxima of arguments of different shapes."""

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


class VectorFunction:
    """Expressions in the time, states and parameters as one function ``(t, y, values)``.

    Parameters
    ----------
    expressions : sequence of Expr, or Matrix
        What it returns: m entries, or a matrix of them.
    states, parameters : sequence of Symbol
        In the order in which they fill `y` and `values`. Other symbols than these and the time are an error.

    Notes
    -----
    Called with `y` of shape ``(n, ...)`` it returns an array of shape ``(m, ...)``, or ``(rows, columns, ...)``;
    `t` and every parameter may be a number or an array over the trailing axes. It compiles on its first call,
    pickles, and keeps nothing that `compile_expressions` may forget.

    Examples
    --------
    >>> import numpy as np, sympy
    >>> from dynsim.symbolic.numeric import VectorFunction
    >>> x, y, a, t = sympy.symbols("x y a t")
    >>> turning = VectorFunction([-y, a * x + t], [x, y], [a])
    >>> turning(0.5, np.array([1.0, 2.0]), [3.0])
    array([-2. ,  3.5])
    >>> turning(0.0, np.zeros((2, 4)), [3.0]).shape
    (2, 4)
    """

    def __init__(
        self,
        expressions: Sequence[sympy.Expr] | sympy.MatrixBase,
        states: Sequence[sympy.Symbol],
        parameters: Sequence[sympy.Symbol] = (),
    ) -> None:
        self.entries = tuple(sympy.sympify(item) for item in expressions)
        matrix = isinstance(expressions, sympy.MatrixBase)
        self.shape: tuple[int, ...] = tuple(getattr(expressions, "shape", ())) if matrix else (len(self.entries),)
        known = {TIME: sympy.Symbol(TIME), **{symbol.name: symbol for symbol in (*states, *parameters)}}
        for symbol in set().union(*(entry.free_symbols for entry in self.entries)):
            known.setdefault(symbol.name, symbol)
            if symbol.name == TIME:
                known[TIME] = symbol
        self.arguments = (known[TIME], *states, *parameters)

    @cached_property
    def _raw(self) -> Callable[..., list[Any]]:
        return compile_expressions(self.entries, self.arguments)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_raw"}

    def __call__(self, t: Any, y: Any, values: Sequence[Any] = ()) -> np.ndarray:
        """Return the values at time `t`, state vector `y` and parameter values `values`."""
        y = np.asarray(y, dtype=float)
        out = np.empty((len(self.entries), *y.shape[1:]))
        for index, value in enumerate(self._raw(t, *y, *values)):
            out[index] = value
        return out.reshape(self.shape + y.shape[1:])
