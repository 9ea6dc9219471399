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

__all__ = ["chosen", "order_for", "takes_series"]

_LEAST, _TYPICAL, _MOST = 8, 10, 16  # orders
_CACHE = 24 * 1024  # bytes of coefficients that a processor's first cache holds beside the rest


def takes_series(rhs: Sequence[sympy.Expr]) -> bool:
    """Whether a right-hand side is integrated by its Taylor series.

    It is where it has one, for the steps are longer; but not with one or two states and no functions: steps of DOP853
    cost next to nothing then.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.integrate.engine.choice import takes_series
    >>> x, y = sympy.symbols("x y")
    >>> takes_series([x * y, x]), takes_series([sympy.tanh(x * y), x]), takes_series([sympy.tanh(abs(x)), x])
    (False, True, False)
    """
    small = len(rhs) <= 2 and not any(expression.has(sympy.Function) for expression in rhs)
    return not small and not without_series(rhs)


def order_for(rtol: float) -> int:
    """Order of the series at a tolerance: the even number below −½ ln rtol, at which a step costs least per time.

    Examples
    --------
    >>> from dynsim.integrate.engine.choice import order_for
    >>> [order_for(rtol) for rtol in (1e-3, 1e-8, 1e-10, 1e-13)]
    [8, 8, 10, 14]
    """
    return min(max(_LEAST, 2 * math.floor(-math.log(rtol) / 4)), _MOST)


def chosen(
    rhs: Sequence[sympy.Expr], arguments: Sequence[sympy.Symbol], order: int, width: int
) -> tuple[StepMethod, int]:
    """The method, and the members per vector, at most `width`.

    Parameters
    ----------
    rhs : sequence of Expr
        One per state.
    arguments : sequence of Symbol
        The states, then the parameters, then the time.
    order : int
        Of a series, or 0 for none. There is none either where one of order 10 takes more operations than DOP853.
    width : int
    """
    recipe = Recipe(rhs, arguments)
    if order:
        series = SeriesRecipe(rhs, arguments)
        if series.operations(_TYPICAL) <= _operations(recipe, len(rhs)):
            wide = 8 * width * order * (series.nodes + len(rhs)) > _CACHE
            return Taylor(series, order), max(width // 2, min(width, 4)) if wide else width
    return DOP853Method(recipe, len(rhs)), width


def _operations(recipe: Recipe, states: int) -> int:
    """Operations of one step of DOP853, about: twelve velocities, and the sums over them."""
    parts = [*(value for _, value in recipe.shared), *recipe.results]
    functions = sum(len(part.atoms(sympy.Function)) for part in parts)
    return 12 * (sum(int(sympy.count_ops(part)) for part in parts) + FUNCTION * functions) + 90 * states
