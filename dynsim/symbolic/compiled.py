"""A flow as functions of time, state vector and parameter values, and as the field it is at given values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import sympy

from dynsim.arguments import a_number
from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.names import TIME
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.functions import release
from dynsim.symbolic.numeric import VectorFunction
from dynsim.symbolic.parameters import hidden_parameters, schedules_of

__all__ = ["CompiledFlow", "FlowField", "Parametric", "Parametrised"]


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
            partial(_velocity, self, constants),
            partial(_jacobian, self, constants),
            roles=self.flow.roles,
            observables={name: partial(_observed, item, constants) for name, item in self.observables.items()},
            about=_Description(self.flow, dict(values)) if about is None else about,
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


class _Description(Mapping[str, Any]):
    """What a flow says of itself and at which values of its parameters: put into words when it is first read."""

    def __init__(self, flow: Any, given: dict[str, Any]) -> None:
        self.flow, self.given = flow, given

    @cached_property
    def _entries(self) -> dict[str, Any]:
        return {**self.flow.about(), "parameters": self.given}

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _velocity(compiled: CompiledFlow, values: tuple[Any, ...], t: Any, y: Any) -> np.ndarray:
    return compiled.velocity(t, y, values)


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
        values = {name: a_number(f"parameter '{name}'", value) for name, value in self.values.items()}
        given = {name: values.get(name, value) for name, value in self.given.items()}
        return self.flow.compiled.field(values, _Description(self.source, given))


class Parametric:
    """The half of a `Flow` that gives its parameters values and makes numbers of its equations."""

    defaults: dict[str, Any]

    if TYPE_CHECKING:

        @property
        def parameters(self) -> tuple[str, ...]:
            """Of the flow."""

        def about(self) -> dict[str, Any]:
            """Of the flow."""

        def substituted(self, bound: Mapping[str, sympy.Expr]) -> Self:
            """Of the flow."""

    def values(self, parameters: Mapping[Any, Any] | None = None) -> dict[str, Any]:
        """Value of every parameter: those given, else the defaults.

        Raises
        ------
        UnknownName
            A name that is no parameter.
        InvalidValue
            A parameter without a value.

        Examples
        --------
        >>> from dynsim import system
        >>> system("toy").values({"alpha": 2})
        {'alpha': 2}
        """
        given = self._given(parameters)
        numbers, schedules = self._split(given)
        for name in schedules:
            advice = f"it depends on {TIME} or on other parameters, which only an integration takes; fix ties it"
            raise bad(f"parameters['{name}']", given[name], "a number here", advice)
        return self._with_defaults(numbers)

    def _given(self, parameters: Mapping[Any, Any] | None) -> dict[str, Any]:
        if parameters is not None and not isinstance(parameters, Mapping):
            raise bad("parameters", parameters, "a mapping {name: value}", kind=InvalidType)
        given: dict[str, Any] = {}
        for key, value in (parameters or {}).items():
            name = name_of("parameters", key)
            if name not in self.parameters:
                raise unknown("parameter", name, self.parameters)
            if name in given:
                raise bad("parameters", dict(parameters or {}), "every parameter once", f"'{name}' stands twice")
            given[name] = value
        return given

    def _split(self, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, sympy.Expr]]:
        """Numbers, and expressions that are to be read."""
        if not any(isinstance(value, str | sympy.Expr) for value in given.values()):
            return given, {}
        return schedules_of(given, self.parameters)

    def _with_defaults(self, given: Mapping[str, Any], *elsewhere: str) -> dict[str, Any]:
        """The value of every parameter but those given elsewhere."""
        names = [name for name in self.parameters if name not in elsewhere]
        missing = [name for name in names if name not in given and name not in self.defaults]
        if missing:
            told = dict(given)
            raise bad("parameters", told, f"a value for {', '.join(missing)}", "pass parameters={name: value}")
        return {name: given[name] if name in given else self.defaults[name] for name in names}

    def with_parameters(self, parameters: Mapping[Any, Any] | None = None) -> Parametrised:
        """Give every parameter a value, or an expression in the time t and other parameters.

        Parameters
        ----------
        parameters : mapping, optional
            ``{name: number, array, text or expression}``; what is left out takes the system's default. Numbers and
            arrays are passed on as they are.

        Returns
        -------
        Parametrised
            The flow with such expressions put in, and numbers for the parameters that it has then. The numbers inside
            an expression are hidden parameters of that flow: ``"0.2 + 1e-4*t"`` and ``"0.3 + 2e-4*t"`` give equal
            flows with other values, so that nothing is derived or compiled twice.

        Raises
        ------
        UnknownName, InvalidValue, ParseError
            A name that is no parameter, one without a value, an expression that cannot be read or leads to itself.

        Examples
        --------
        >>> from dynsim import gradient_flow
        >>> flow = gradient_flow("eta*w^2/2", "w")
        >>> run = flow.with_parameters({"eta": "0.2 + 1e-4*t"})
        >>> run.flow.rhs, run.values
        (Matrix([[-w*(eta[0] + eta[1]*t)]]), {'eta[0]': 0.2, 'eta[1]': 0.0001})
        >>> run.given, run.flow.is_autonomous
        ({'eta': '0.2 + 1e-4*t'}, False)
        >>> run.flow == flow.with_parameters({"eta": "0.7 - 3e-5*t"}).flow
        True
        """
        given = self._given(parameters)
        numbers, schedules = self._split(given)
        values = self._with_defaults(numbers, *schedules)
        told = {name: values.get(name, given.get(name)) for name in self.parameters}
        if not schedules:
            return Parametrised(self, self, values, told)
        forms = {name: hidden_parameters(name, schedule) for name, schedule in schedules.items()}
        flow = self.substituted({name: form for name, (form, _) in forms.items()})
        for _, hidden in forms.values():
            values |= hidden
        return Parametrised(flow, self, {name: values[name] for name in flow.parameters}, told)

    def field(self, parameters: Mapping[Any, Any] | None = None) -> Field:
        """Compile the flow to a numeric `Field` at the given parameter values.

        Parameters
        ----------
        parameters : mapping, optional
            ``{name: number, or an expression in t}``; what is left out takes the system's default.

        Returns
        -------
        Field
            Vectorised over trailing axes of the state.

        Raises
        ------
        UnknownName, InvalidValue
            A name that is no parameter, a parameter without a value or with one that is no finite number.

        Examples
        --------
        >>> import numpy as np
        >>> from dynsim import system
        >>> system("toy").field().f(0.0, np.array([0.6, 0.1]))
        array([0.004, 0.024])
        """
        return self.with_parameters(parameters).field()

    def field_over(self, values: Mapping[str, Any]) -> Field:
        """Return the field of many members: every parameter a number, or an array over the last axis of the state."""
        return self.compiled.field(values)

    @cached_property
    def compiled(self) -> CompiledFlow:
        """The flow as NumPy functions of states and parameters, compiled on first use."""
        return CompiledFlow(self)
