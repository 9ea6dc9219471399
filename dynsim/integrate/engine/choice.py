"""Which method of integration a flow is given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy

from dynsim.integrate.engine.dop853 import DOP853Method
from dynsim.integrate.engine.lowering import Recipe
from dynsim.integrate.engine.method import StepMethod
from dynsim.integrate.engine.series import FUNCTION, SeriesRecipe, without_series
from dynsim.integrate.engine.taylor import Taylor

__all__ = ["chosen", "first_order", "order_for"]

_LEAST, _TYPICAL, _FINE, _MOST = 8, 10, 14, 16  # orders
_WORTH = 1.2  # times the operations of a step of DOP853 that a longer one of a series is worth
_CACHE = 24 * 1024  # bytes of coefficients that a processor's first cache holds beside the rest


def order_for(rtol: float) -> int:
    """Order of a series at a tolerance: the even number near −½ ln rtol at which a unit of time costs least.

    Examples
    --------
    >>> from dynsim.integrate.engine.choice import order_for
    >>> [order_for(rtol) for rtol in (1e-3, 1e-8, 1e-10, 1e-13)]
    [8, 8, 12, 14]
    """
    return min(max(_LEAST, 2 * math.floor((1.3 - math.log(rtol)) / 4)), _MOST)


def first_order(rhs: Sequence[sympy.Expr]) -> float:
    """Order from which on a right-hand side is integrated by its Taylor series: ∞ where it has none.

    The steps of a series are longer. Steps of DOP853 cost next to nothing with one or two states and no functions;
    there series come in where its errors no longer follow the tolerance.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.integrate.engine.choice import first_order
    >>> x, y = sympy.symbols("x y")
    >>> first_order([x * y, x]), first_order([sympy.tanh(x * y), x]), first_order([sympy.tanh(abs(x)), x])
    (14, 8, inf)
    """
    if without_series(rhs):
        return math.inf
    return _FINE if len(rhs) <= 2 and not any(expression.has(sympy.Function) for expression in rhs) else _LEAST


def chosen(
    rhs: Sequence[sympy.Expr], arguments: Sequence[sympy.Symbol], order: int, width: int, relative: bool = False
) -> tuple[StepMethod, int]:
    """The method, and the members per vector, at most `width`.

    Parameters
    ----------
    rhs : sequence of Expr
        One per state.
    arguments : sequence of Symbol
        The states, then the parameters, then the time.
    order : int
        Of a series, or 0 for none. There is none either where one of order 10 takes many more operations than DOP853.
    width : int
    relative : bool
        Whether states may have no absolute tolerance.
    """
    recipe = Recipe(rhs, arguments)
    if order:
        series = SeriesRecipe(rhs, arguments)
        if series.operations(_TYPICAL) <= _WORTH * _operations(recipe, len(rhs)):
            wide = 8 * width * order * (series.nodes + len(rhs)) > _CACHE
            return Taylor(series, order, relative), max(width // 2, min(width, 4)) if wide else width
    return DOP853Method(recipe, len(rhs)), width


def _operations(recipe: Recipe, states: int) -> int:
    """Operations of one step of DOP853, about: twelve velocities, and the sums over them."""
    parts = [*(value for _, value in recipe.shared), *recipe.results]
    functions = sum(len(part.atoms(sympy.Function)) for part in parts)
    return 12 * (sum(int(sympy.count_ops(part)) for part in parts) + FUNCTION * functions) + 90 * states
