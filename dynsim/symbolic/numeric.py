"""SymPy expressions as NumPy functions. User symbols never reach generated code under their own names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from dynsim.field import Field
from dynsim.symbolic.stop_gradient import release

__all__ = ["CompiledFlow", "compile_expressions"]


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
