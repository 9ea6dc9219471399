"""Field: the right-hand side of an ordinary differential equation, as every integrator here takes it.

A symbolic `Flow`, the matrix flow and the flow of a network all become a `Field`; nothing downstream asks
which of them it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from dynsim.errors import bad

__all__ = ["Field"]


@dataclass(frozen=True, eq=False)
class Field:
    """A vector field y' = f(t, y) with named states.

    Parameters
    ----------
    names : tuple of str
        Names of the states, in the order in which they fill `y`.
    function : callable
        ``function(t, y)`` with `y` of shape ``(size, ...)`` returns the same shape. `t` is flow time.
    jacobian_function : callable, optional
        ``jacobian_function(t, y)`` returns ∂f/∂y of shape ``(size, size, ...)``.
    shapes : mapping, optional
        Shape of each state; a state that is not named is a scalar. Matrix states are flattened row by row.
    roles : mapping, optional
        ``{"predictor": names, "encoder": names, "teacher": names}``; empty for games.
    observables : mapping, optional
        ``{name: function(y)}``, with `y` as above; each returns an array over the trailing axes.
    about : mapping, optional
        What describes the field in a Dataset's provenance; plain data (str, int, float, list, dict).
    residuals_function : callable, optional
        ``residuals_function(y, held)`` returns r of shape ``(m, ...)`` and ∂r/∂y of shape ``(m, size, ...)`` of a loss
        ½Σr², weight decay included, whose gradient times the rates is minus the velocity; what is not differentiated
        is read at `held`.

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
        """Right-hand side at flow time `t` and state `y` of shape ``(size, ...)``."""
        return self.function(t, y)

    def jacobian(self, t: Any, y: Any) -> Any:
        """Jacobian ∂f/∂y of shape ``(size, size, ...)``.

        Raises
        ------
        InvalidValue
            If the field was made without a Jacobian.
        """
        if self.jacobian_function is None:
            raise bad("jacobian", None, "a Field made with jacobian_function=…")
        return self.jacobian_function(t, y)

    def split(self, y: Any) -> dict[str, Any]:
        """State vector of shape ``(size, ...)`` as ``{name: array of shape (*state shape, ...)}``."""
        return {name: y[part].reshape((*self.shape(name), *y.shape[1:])) for name, part in self.slices.items()}
