"""SymPy expressions as NumPy functions. User symbols never reach generated code under their own names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy

__all__ = ["compile_expressions"]


def compile_expressions(
    expressions: Sequence[sympy.Expr], arguments: Sequence[sympy.Symbol]
) -> Callable[..., list[Any]]:
    """Compile expressions into one NumPy function of the arguments, common subexpressions shared.

    Parameters
    ----------
    expressions : sequence of Expr
        Every free symbol must be among `arguments`.
    arguments : sequence of Symbol
        In the order in which the function takes them; scalars or arrays that broadcast.

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
    [9.0]
    """
    safe = {symbol: sympy.Symbol(f"x{index}") for index, symbol in enumerate(arguments)}
    renamed = [sympy.sympify(item).xreplace(safe) for item in expressions]
    special = any(node.func.__module__.startswith("sympy.functions.special") for node in _functions(renamed))
    modules = ["scipy", "numpy"] if special else "numpy"
    raw = sympy.lambdify(list(safe.values()), renamed, modules=modules, cse=True)

    def function(*values: Any) -> list[Any]:
        with np.errstate(all="ignore"):
            return raw(*values)

    return function


def _functions(expressions: Sequence[sympy.Expr]) -> set[sympy.Basic]:
    return {node for item in expressions for node in item.atoms(sympy.Function)}
