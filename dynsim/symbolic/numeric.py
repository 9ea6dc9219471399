"""SymPy expressions as numbers. User symbols never reach generated code under their own names.

`VectorFunction` is the one way from expressions to a function of time, state vector and parameters; `evaluate` is
the same for expressions that are wanted once, at values of their symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, lru_cache, reduce
from inspect import ismodule
from typing import Any

import numpy as np
import sympy
from sympy.printing.numpy import SciPyPrinter

from dynsim.errors import bad
from dynsim.names import TIME
from dynsim.symbolic.expectation import Average, Loop, loops

__all__ = ["VectorFunction", "evaluate"]

COMPILED = 256
"""How many compiled functions are kept; the one that was not asked for longest is forgotten first."""


@lru_cache(maxsize=COMPILED)
def _compiled(
    expressions: tuple[sympy.Expr, ...], arguments: tuple[sympy.Symbol, ...], refine: int
) -> Callable[..., list[Any]]:
    """One NumPy function of the arguments, common subexpressions shared: a list of scalars or arrays, one for each.

    Values outside a function's domain are NaN or infinite, without a warning.
    """
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
    modules = [_NAMES, *(["scipy"] if special else []), _numpy()]
    raw = sympy.lambdify(list(safe.values()), renamed, modules=modules, printer=_Printer(), cse=True)

    def function(*values: Any) -> list[Any]:
        with np.errstate(all="ignore"):
            # NumPy's numbers divide by zero and leave a function's domain without an exception.
            return raw(*[np.float64(value) if type(value) in _PLAIN else value for value in values])

    return function


_PLAIN = (float, int, bool)


@cache
def _numpy() -> dict[str, Any]:
    """NumPy's functions: what SymPy makes of "numpy" but for its packages, which it would import, every one."""
    found = {name: value for name, value in vars(np).items() if not name.startswith("_") and not ismodule(value)}
    return {**found, **{name: getattr(np.linalg, name) for name in np.linalg.__all__}, "Heaviside": np.heaviside}


def _summed(loop: Loop, arguments: Sequence[sympy.Symbol], refine: int) -> Callable[..., list[Any]]:
    """Compile the sums of a loop over the nodes of an expectation, whole arrays of members at a time."""
    before = _compiled(tuple(value for _, value in loop.before), tuple(arguments), refine)
    inside = (*arguments, *(symbol for symbol, _ in loop.before), *loop.columns)
    terms = _compiled(tuple(loop.terms), inside, refine)

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


_NUMBERS = "dD"  # real and complex
_NEVER_READ = sympy.Dummy(TIME)


class VectorFunction:
    """Expressions in the time, states and parameters as one function ``(t, y, values)``.

    Parameters
    ----------
    expressions : sequence of Expr, or Matrix
        What it returns: m entries, or a matrix of them.
    states, parameters : sequence of Symbol
        In the order in which they fill `y` and `values`. Other symbols than these and the time are an error.
    refine : int, optional
        Factor on the number of quadrature nodes, for expressions with an `Expectation` in them.

    Notes
    -----
    Called with `y` of shape ``(n, ...)`` it returns an array of shape ``(m, ...)``, or ``(rows, columns, ...)``;
    `t` and every parameter may be a number or an array over the trailing axes. Values outside a function's domain are
    NaN or infinite, without a warning. It compiles on its first call, pickles, and keeps nothing but that.

    See Also
    --------
    evaluate : where a value is wanted and no function.

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
        *,
        refine: int = 1,
    ) -> None:
        self.entries = tuple(sympy.sympify(item) for item in expressions)
        matrix = isinstance(expressions, sympy.MatrixBase)
        self.shape: tuple[int, ...] = tuple(getattr(expressions, "shape", ())) if matrix else (len(self.entries),)
        self.refine = refine
        listed = {*states, *parameters}
        free = {symbol for entry in self.entries for symbol in entry.free_symbols if symbol not in listed}
        time = next((symbol for symbol in free if symbol.name == TIME), sympy.Symbol(TIME))
        # A time that is listed takes its value from there, and `t` is not read.
        self.arguments = (_NEVER_READ if time in listed else time, *states, *parameters)

    @cached_property
    def _raw(self) -> Callable[..., list[Any]]:
        return _compiled(self.entries, self.arguments, self.refine)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_raw"}

    def __call__(self, t: Any, y: Any, values: Sequence[Any] = ()) -> np.ndarray:
        """Return the values at time `t`, state vector `y` and parameter values `values`."""
        y = np.asarray(y)
        if y.dtype.char not in _NUMBERS:
            y = y.astype(float)
        found = self._raw(t, *y, *values)
        out = np.empty((len(found), *y.shape[1:]), y.dtype)
        for index, value in enumerate(found):
            out[index] = value
        return out if len(self.shape) == 1 else out.reshape(self.shape + y.shape[1:])


def evaluate(expressions: Sequence[sympy.Expr], values: Mapping[Any, Any], *, refine: int = 1) -> np.ndarray:
    """Values of expressions at values of their symbols.

    Parameters
    ----------
    expressions : sequence of Expr
    values : mapping
        ``{Symbol: number or array}``, real or complex; arrays broadcast.
    refine : int, optional
        As in `VectorFunction`.

    Returns
    -------
    array of shape ``(m, ...)``

    Examples
    --------
    >>> import numpy as np, sympy
    >>> from dynsim.symbolic.numeric import evaluate
    >>> keyword, x = sympy.symbols("lambda x")
    >>> evaluate([keyword**2, x], {keyword: 3.0, x: np.array([1.0, 2.0])})
    array([[9., 9.],
           [1., 2.]])
    """
    arrays = [np.asarray(value) for value in values.values()]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    dtype = np.result_type(float, *(array.dtype for array in arrays))
    function = VectorFunction(expressions, (), list(values), refine=refine)
    numbers = [array.astype(dtype)[()] for array in arrays]
    return function(None, np.empty((0, *shape), dtype), numbers)
