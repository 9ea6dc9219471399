"""A flow's right-hand side with one or two parameters among the unknowns, and its derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.expressions import almost_everywhere, name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import compile_expressions
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
        given = {name_of("parameters", key): value for key, value in (parameters or {}).items()}
        for name in self.free:
            if name in given:
                raise bad("parameters", name, "values of the other parameters", f"'{name}' is what varies")
        values = flow.values({**dict.fromkeys(self.free, 0.0), **given})
        self.fixed = {name: float(values[name]) for name in flow.parameters if name not in self.free}
        self.names = (*flow.states, *self.free)
        self.size = len(flow.states)
        # Real symbols, so that |·| and sign have derivatives; at a kink the one-sided value stands.
        self._real = {flow.symbols[name]: sympy.Dummy(name, real=True) for name in (*self.names, *self.fixed)}
        self._unknowns = [self._real[flow.symbols[name]] for name in self.names]
        self._arguments = list(self._real.values())
        self._equations = flow.rhs.xreplace(self._real)
        self._matrix = almost_everywhere(self._equations.jacobian(self._unknowns))
        self._rhs = compile_expressions(list(self._equations), self._arguments)
        self._jacobian = compile_expressions(list(self._matrix), self._arguments)

    def function(self, z: np.ndarray) -> np.ndarray:
        """Right-hand side, of shape ``(n, ...)`` for `z` of shape ``(n + free, ...)``."""
        return self._evaluated(self._rhs, z, (self.size,))

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """∂f/∂z, of shape ``(n, n + free, ...)``."""
        return self._evaluated(self._jacobian, z, (self.size, len(self.names)))

    def second(self, z: np.ndarray) -> np.ndarray:
        """∂²f/∂z∂z, of shape ``(n, n + free, n + free)``."""
        return self._evaluated(self._second, z, (self.size, len(self.names), len(self.names)))

    @cached_property
    def _second(self) -> Any:
        entries = [almost_everywhere(entry.diff(x)) for entry in self._matrix for x in self._unknowns]
        return compile_expressions(entries, self._arguments)

    def _evaluated(self, function: Any, z: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        z = np.asarray(z, dtype=float)
        values = function(*z, *self.fixed.values())
        if z.ndim == 1:
            return np.array([float(value) for value in values]).reshape(shape)
        rows = [np.broadcast_to(np.asarray(value, dtype=float), z.shape[1:]) for value in values]
        return np.array(rows).reshape((*shape, *z.shape[1:]))

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
