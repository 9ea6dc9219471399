"""A flow as functions of time, state vector and parameter values, and as the field it is at given values.

`VectorFunction` is the one way from expressions in states and parameters to a function of a state vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite
from typing import Any

import numpy as np
import sympy

from dynsim.errors import InvalidType, InvalidValue, bad
from dynsim.field import TIME, Field
from dynsim.symbolic.numeric import compile_expressions
from dynsim.symbolic.stop_gradient import release

__all__ = ["CompiledFlow", "FlowField", "Parametrised", "VectorFunction"]


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
    >>> from dynsim.symbolic.compiled import VectorFunction
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


class CompiledFlow:
    """The numeric forms of a `Flow`: velocity, Jacobian and observables as functions of time, state and parameters.

    Parameters
    ----------
    flow : Flow
        Each form is compiled when it is first asked for; the Jacobian is also derived only then.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> dynsim.system("toy").compiled.velocity(0.0, np.array([0.6, 0.1]), [1.0])
    array([0.004, 0.024])
    """

    def __init__(self, flow: Any) -> None:
        self.flow = flow

    def function(self, expressions: Sequence[sympy.Expr] | sympy.MatrixBase) -> VectorFunction:
        """Return further expressions in the flow's symbols as a function of the same arguments."""
        symbols = self.flow.symbols
        states, parameters = ([symbols[name] for name in names] for names in (self.flow.states, self.flow.parameters))
        return VectorFunction(expressions, states, parameters)

    @cached_property
    def velocity(self) -> VectorFunction:
        """The right-hand side."""
        return self.function(list(self.flow.rhs))

    @cached_property
    def jacobian(self) -> VectorFunction:
        """The Jacobian of the resolved field, of shape ``(n, n, ...)``."""
        return self.function(self.flow.jacobian)

    @cached_property
    def observables(self) -> dict[str, VectorFunction]:
        """``{name: function}``, each with one entry."""
        return {name: self.function([release(item)]) for name, item in self.flow.observables.items()}

    @cached_property
    def may_jump(self) -> bool:
        """Whether the right-hand side holds anything but functions that are continuous wherever they are defined.

        Roots are not among these, nor are quotients, for θ/√θ² is a sign in disguise.

        Examples
        --------
        >>> import dynsim
        >>> dynsim.system("toy").compiled.may_jump, dynsim.gradient_flow("abs(w)", "w").compiled.may_jump
        (False, True)
        """
        return any(not _continuous(node) for entry in self.flow.rhs for node in sympy.preorder_traversal(entry))

    def field(self, values: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> Field:
        """Return the field at the given value of every parameter: a number, or an array over the last axis of `y`.

        Parameters
        ----------
        values : mapping
            ``{parameter: number or array}``.
        about : mapping, optional
            What goes into provenance; by default what the flow says of itself, and `values`.
        """
        constants = tuple(values[name] for name in self.flow.parameters)
        return FlowField(
            self.flow.states,
            partial(_at, self.velocity, constants),
            partial(_jacobian, self, constants),
            roles=self.flow.roles,
            observables={name: partial(_observed, item, constants) for name, item in self.observables.items()},
            about={**self.flow.about(), "parameters": dict(values)} if about is None else dict(about),
            is_autonomous=self.flow.is_autonomous,
            may_jump=self.may_jump,
            compiled=self,
            constants=constants,
        )


_CONTINUOUS = (
    sympy.Add, sympy.Mul, sympy.exp, sympy.sin, sympy.cos, sympy.sinh, sympy.cosh, sympy.tanh, sympy.atan, sympy.erf,
    sympy.Abs, sympy.Max, sympy.Min,
)  # fmt: skip


def _continuous(node: sympy.Basic) -> bool:
    if isinstance(node, sympy.Pow):
        return node.base == sympy.E or (node.exp.is_Integer and node.exp.is_positive) or not node.base.free_symbols
    return isinstance(node, _CONTINUOUS) or node.is_Atom


def _at(function: VectorFunction, values: tuple[Any, ...], t: Any, y: Any) -> np.ndarray:
    return function(t, y, values)


def _jacobian(compiled: CompiledFlow, values: tuple[Any, ...], t: Any, y: Any) -> np.ndarray:
    return compiled.jacobian(t, y, values)


def _observed(function: VectorFunction, values: tuple[Any, ...], y: Any, t: Any = 0.0) -> Any:
    return function(t, y, values)[0]


@dataclass(frozen=True, eq=False, repr=False)
class FlowField(Field):
    """The field of a flow at given values of its parameters; it pickles, and its observables may read the time."""

    compiled: Any = None
    constants: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        """Check nothing: the flow has."""

    def f(self, t: Any, y: Any) -> Any:
        """Right-hand side at flow time `t` and state `y`."""
        return self.compiled.velocity(t, y, self.constants)

    def jacobian(self, t: Any, y: Any) -> Any:
        """Jacobian of the right-hand side."""
        return self.compiled.jacobian(t, y, self.constants)

    def observe(self, name: str, t: Any, y: Any) -> Any:
        """Value of an observable at flow time `t` and state `y`."""
        observable: Callable[..., Any] = self.observables[name]
        return observable(y, t)


@dataclass(frozen=True)
class Parametrised:
    """A flow with a value for each of its parameters; made by `Flow.with_parameters`.

    Attributes
    ----------
    flow : Flow
        Equations in which parameters that depend on the time are expressions; integrate this one.
    source : Flow
        The flow it was made from: what provenance describes.
    values : dict
        ``{parameter of flow: number or array}``.
    given : dict
        ``{parameter of source: number, array or text}``, as it goes into a Dataset's provenance.

    Examples
    --------
    >>> from dynsim import system
    >>> system("toy").with_parameters({"alpha": 2}).values
    {'alpha': 2}
    """

    flow: Any
    source: Any
    values: dict[str, Any]
    given: dict[str, Any]

    def field(self) -> Field:
        """Return the numeric field.

        Raises
        ------
        InvalidType, InvalidValue
            A value that is no finite number.
        """
        values = {name: _number(name, value) for name, value in self.values.items()}
        given = {name: values.get(name, value) for name, value in self.given.items()}
        return self.flow.compiled.field(values, {**self.source.about(), "parameters": given})


def _number(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise bad(f"parameter '{name}'", value, "a real number", kind=InvalidType) from None
    if not isfinite(number):
        raise bad(f"parameter '{name}'", value, "a finite number", kind=InvalidValue)
    return number
