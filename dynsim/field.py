"""Field: the right-hand side of an ordinary differential equation, as every integrator here takes it.

A symbolic `Flow`, the matrix flow and the flow of a network all become a `Field`; nothing downstream asks
which of them it came from. What a Flow and a Field share is the protocol `Dynamics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from math import prod
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.names import TIME, check_names

__all__ = ["Dynamics", "Field"]


class Dynamics(Protocol):
    """What a `Flow` and a `Field` have in common; whoever needs no more takes either.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.field import Dynamics, Field
    >>> def parameters_of(dynamics: Dynamics) -> int:
    ...     return len(dynamics.values(None))
    >>> parameters_of(dynsim.system("toy")), parameters_of(Field(("x",), lambda t, y: -y))
    (1, 0)
    """

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states, in order."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that are still free; none for a Field."""

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """``{"predictor": names, "encoder": names, "teacher": names}``."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Default values of states (a start) and parameters."""

    @property
    def observables(self) -> Mapping[str, Any]:
        """What is recorded beside the states, by name."""

    @property
    def size(self) -> int:
        """Number of real numbers in the state vector."""

    @property
    def is_autonomous(self) -> bool | None:
        """Whether the velocity does not depend on the time; None where nobody has said."""

    @property
    def equations(self) -> Any:
        """The Flow itself where there are symbols to compute with; None for a Field, which only has numbers."""

    @property
    def loss(self) -> Any:
        """The loss as an expression, or None."""

    @property
    def exact(self) -> Any:
        """Closed forms, or None where none are known."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one state, ``()`` for a scalar."""

    def values(self, parameters: Mapping[Any, Any] | None = None) -> dict[str, Any]:
        """Value of every parameter: those given, else the defaults."""

    def field(self, parameters: Mapping[Any, Any] | None = None) -> Field:
        """Return the numeric field at these parameters."""

    def field_over(self, values: Mapping[str, Any]) -> Field:
        """Return the field of many members: every parameter a number, or an array over the last axis of the state."""

    def origin(self) -> dict[str, Any]:
        """Plain data for a Dataset's provenance, values of parameters aside."""

    def require_autonomous(self, purpose: str) -> None:
        """Raise `InvalidValue` if the velocity depends on the time."""


@dataclass(frozen=True, eq=False)
class Field:
    """A vector field y' = f(t, y) with named states.

    Parameters
    ----------
    names : tuple of str
        Names of the states, in the order in which they fill `y`.
    function : callable
        ``function(t, y)`` with `y` of shape ``(size, ...)`` returns the same shape, or a list with one entry per
        number of the state. `t` is flow time.
    jacobian_function : callable, optional
        ``jacobian_function(t, y)`` returns ∂f/∂y of shape ``(size, size, ...)``.
    shapes : mapping, optional
        Shape of each state; a state that is not named is a scalar. Matrix states are flattened row by row.
    roles : mapping, optional
        ``{"predictor": names, "encoder": names, "teacher": names}``; empty for games.
    observables : mapping, optional
        ``{name: function(y)}``, with `y` as above; each returns an array over the trailing axes.
    about : mapping, optional
        What describes the field in a Dataset's provenance; plain data (str, int, float, list, dict); values of
        parameters under the key "parameters".
    residuals_function : callable, optional
        ``residuals_function(y, held)`` returns r of shape ``(m, ...)`` and ∂r/∂y of shape ``(m, size, ...)`` of a loss
        ½Σr², weight decay included, whose gradient times the rates is minus the velocity; what is not differentiated
        is read at `held`.
    conserved : mapping, optional
        ``{law as text: function(t, y)}``, each the terms, of shape ``(m, ...)``, whose sum stays as it is along a run.
    is_autonomous : bool, optional
        Whether `function` does not depend on `t`. None: not said, and then asked at a few points where it matters.
    may_jump : bool
        False promises that the field is continuous in the states wherever it is defined: no run is then said to slide.

    Raises
    ------
    InvalidType, InvalidValue
        A function that cannot be called, a name that is reserved or stands twice.

    See Also
    --------
    dynsim.Flow : equations with symbols, from which a Field is compiled.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.field import Field
    >>> decay = Field(("x",), lambda t, y: -y)
    >>> decay.f(0.0, np.array([2.0]))
    array([-2.])
    """

    names: tuple[str, ...]
    function: Callable[[Any, Any], Any]
    jacobian_function: Callable[[Any, Any], Any] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    observables: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    residuals_function: Callable[[Any, Any], tuple[Any, Any]] | None = None
    is_autonomous: bool | None = None
    conserved: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    may_jump: bool = True

    parameters = ()
    equations = loss = exact = None
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __post_init__(self) -> None:
        if not isinstance(self.names, str | list | tuple) or any(not isinstance(name, str) for name in self.names):
            raise bad("names", self.names, "a name, or a list of names", kind=InvalidType)
        names = (self.names,) if isinstance(self.names, str) else tuple(self.names)
        object.__setattr__(self, "names", names)
        if not names or len(set(names)) < len(names):
            raise bad("names", self.names, "at least one state, every state once")
        check_names("state", names)
        for name in ("shapes", "roles", "observables", "about", "conserved"):
            if not isinstance(getattr(self, name), Mapping):
                raise bad(name, getattr(self, name), "a mapping by name", kind=InvalidType)
        check_names("observable", self.observables)
        if not callable(self.function):
            raise bad("function", self.function, "a function of t and y", kind=InvalidType)
        for name in ("jacobian_function", "residuals_function"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise bad(name, getattr(self, name), "a function of t and y, or None", kind=InvalidType)

    def __repr__(self) -> str:
        name = self.about.get("name", "")
        states = ", ".join(f"{n}{list(self.shape(n)) if self.shape(n) else ''}" for n in self.names)
        known = [
            f"{len(self.observables)} observables" if self.observables else "",
            "Jacobian" if self.jacobian_function else "",
            ", ".join(f"{k} = {v}" for k, v in self.about.get("parameters", {}).items()),
        ]
        return f"Field {name or 'of ' + states}: {self.size} numbers\n  {states}; " + "; ".join(filter(None, known))

    def _repr_html_(self) -> str:
        first, second = repr(self).split("\n", 1)
        return f"<p>{escape(first)}<br>{escape(second.strip())}</p>"

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states: the same as `names`."""
        return self.names

    @cached_property
    def size(self) -> int:
        """Number of real numbers in the state vector."""
        return sum(prod(self.shape(name)) for name in self.names)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each state lies in the state vector."""
        result, start = {}, 0
        for name in self.names:
            stop = start + prod(self.shape(name))
            result[name] = slice(start, stop)
            start = stop
        return result

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one state, ``()`` for a scalar."""
        return tuple(self.shapes.get(name, ()))

    def f(self, t: Any, y: Any) -> Any:
        """Right-hand side at flow time `t` and state `y` of shape ``(size, ...)``.

        Raises
        ------
        InvalidValue
            The function returns something of another shape.
        """
        found = self.function(t, y)
        if getattr(found, "shape", None) == np.shape(y):
            return found
        return _filled("the function of the Field", found, (self.size,), y)

    def jacobian(self, t: Any, y: Any) -> Any:
        """Jacobian ∂f/∂y of shape ``(size, size, ...)``.

        Raises
        ------
        InvalidValue
            The field was made without a Jacobian, or that has another shape.
        """
        if self.jacobian_function is None:
            raise bad("jacobian", None, "a Field made with jacobian_function=…")
        found = self.jacobian_function(t, y)
        if getattr(found, "shape", None) == (self.size, *np.shape(y)):
            return found
        return _filled("the jacobian_function of the Field", found, (self.size, self.size), y)

    def observe(self, name: str, t: Any, y: Any) -> Any:
        """Value of an observable at flow time `t` and state `y`, over the trailing axes of `y`."""
        return self.observables[name](y)

    def split(self, y: Any) -> dict[str, Any]:
        """State vector of shape ``(size, ...)`` as ``{name: array of shape (*state shape, ...)}``."""
        return {name: y[part].reshape((*self.shape(name), *y.shape[1:])) for name, part in self.slices.items()}

    def values(self, parameters: Mapping[Any, Any] | None = None) -> dict[str, Any]:
        """No parameter is free: an empty dictionary.

        Raises
        ------
        InvalidValue
            Parameters are given.
        """
        if parameters:
            raise bad("parameters", dict(parameters), "none for a Field", "its parameters were set when it was made")
        return {}

    def field(self, parameters: Mapping[Any, Any] | None = None) -> Field:
        """Return the field itself; see `values` for what is refused."""
        self.values(parameters)
        return self

    def field_over(self, values: Mapping[str, Any]) -> Field:
        """Return the field itself, as `field` does."""
        return self.field(values)

    def origin(self) -> dict[str, Any]:
        """Plain data for a Dataset's provenance, values of parameters aside."""
        return {key: value for key, value in self.about.items() if key != "parameters"}

    def require_autonomous(self, purpose: str) -> None:
        """Raise if the velocity depends on the time; where nobody has said, it is asked at a few points.

        Parameters
        ----------
        purpose : str
            What needs it: "equilibria", "portrait".

        Raises
        ------
        InvalidValue
            The velocity depends on the time.
        """
        depends = self._moves_with_time() if self.is_autonomous is None else not self.is_autonomous
        if depends:
            advice = f"make a Field at one time: lambda _, y: f({TIME}0, y)"
            raise bad("flow", self, f"an autonomous field: {purpose} has no meaning while it changes in time", advice)

    def _moves_with_time(self) -> bool:
        rng = np.random.default_rng(0)
        points = rng.uniform(-1.5, 1.5, (self.size, 5))
        with np.errstate(all="ignore"):
            first, *later = (np.asarray(self.f(time, points)) for time in (0.0, 0.7, 3.1, 12.3))
        return not all(np.allclose(first, other, rtol=1e-9, atol=0.0, equal_nan=True) for other in later)


def _filled(what: str, found: Any, shape: tuple[int, ...], y: Any) -> np.ndarray:
    """Array of shape ``(*shape, …)`` from (nested) lists of numbers and arrays over the trailing axes of `y`."""
    like = np.asarray(y)
    out = np.empty((*shape, *like.shape[1:]), dtype=np.result_type(like, float))
    try:
        for index in np.ndindex(shape):
            entry = found
            for level, i in enumerate(index):
                if len(entry) != shape[level]:
                    raise ValueError
                entry = entry[i]
            out[index] = entry
    except (TypeError, ValueError, IndexError):
        got = f"shape {found.shape}" if hasattr(found, "shape") else found
        raise bad(what, got, f"an array or a list of shape {out.shape}") from None
    return out
