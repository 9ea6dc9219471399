"""A flow's right-hand side with one or two parameters among the unknowns, and its derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from dynsim.arguments import a_mapping, a_number
from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.expressions import almost_everywhere, name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import VectorFunction
from dynsim.symbolic.sources import as_flow

__all__ = ["ParameterField", "span_of"]


def span_of(argument: str, span: Any) -> tuple[float, float]:
    """Check an increasing pair of finite numbers."""
    try:
        low, high = (float(value) for value in span)
    except (TypeError, ValueError):
        raise bad(argument, span, "a pair of numbers (low, high)", kind=InvalidType) from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise bad(argument, span, "two finite numbers, the first smaller")
    return low, high


class ParameterField:
    """``f(z)`` with z = (states…, free parameters…), and its derivatives, at fixed values of the others.

    Parameters
    ----------
    flow : Flow
    free : sequence of str or Symbol
        Parameters that become unknowns.
    parameters : mapping, optional
        Values of the others; what is left out takes the system's default.
    """

    def __init__(self, flow: Flow, free: Sequence[Any], parameters: Mapping[Any, Any] | None) -> None:
        flow = as_flow(flow)
        flow.require_autonomous("a continuation")
        self.flow = flow
        self.free = tuple(name_of("parameter", name) for name in free)
        for name in self.free:
            if name not in flow.parameters:
                raise unknown("parameter", name, flow.parameters)
        given = {name_of("parameters", key): value for key, value in a_mapping("parameters", parameters).items()}
        for name in self.free:
            if name in given:
                raise bad("parameters", name, "values of the other parameters", f"'{name}' is what varies")
        values = flow.values({**dict.fromkeys(self.free, 0.0), **given})
        self.fixed = {
            name: a_number(f"parameters['{name}']", values[name]) for name in flow.parameters if name not in self.free
        }
        self.names = (*flow.states, *self.free)
        self.size = len(flow.states)
        # Real symbols, so that |·| and sign have derivatives; at a kink the one-sided value stands.
        self._real = {flow.symbols[name]: sympy.Dummy(name, real=True) for name in (*self.names, *self.fixed)}
        self._unknowns = [self._real[flow.symbols[name]] for name in self.names]
        self._equations = flow.rhs.xreplace(self._real)
        self._matrix = almost_everywhere(self._equations.jacobian(self._unknowns))
        self._constants = tuple(self.fixed.values())
        self._rhs, self._jacobian = self._compiled(list(self._equations)), self._compiled(self._matrix)

    def function(self, z: np.ndarray) -> np.ndarray:
        """Right-hand side, of shape ``(n, ...)`` for `z` of shape ``(n + free, ...)``."""
        return self._rhs(0.0, z, self._constants)

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """∂f/∂z, of shape ``(n, n + free, ...)``."""
        return self._jacobian(0.0, z, self._constants)

    def second(self, z: np.ndarray) -> np.ndarray:
        """∂²f/∂z∂z, of shape ``(n, n + free, n + free)``."""
        return self._second(0.0, z, self._constants).reshape(self.size, len(self.names), len(self.names))

    @cached_property
    def _second(self) -> VectorFunction:
        return self._compiled([almost_everywhere(entry.diff(x)) for entry in self._matrix for x in self._unknowns])

    def _compiled(self, expressions: Any) -> VectorFunction:
        fixed = [self._real[self.flow.symbols[name]] for name in self.fixed]
        return VectorFunction(expressions, self._unknowns, fixed)

    def eigenvalues(self, z: np.ndarray) -> np.ndarray:
        """Eigenvalues of ∂f/∂states, by descending real part; NaN where an entry is not finite."""
        matrix = self.jacobian(z)[:, : self.size]
        if not np.isfinite(matrix).all():
            return np.full(self.size, np.nan + 0j)
        values = np.linalg.eigvals(matrix)
        return np.asarray(values[np.argsort(-values.real)])

    def named(self, z: np.ndarray) -> dict[str, float]:
        """``{name: value}`` of states and free parameters."""
        return {name: float(value) for name, value in zip(self.names, z, strict=False)}
