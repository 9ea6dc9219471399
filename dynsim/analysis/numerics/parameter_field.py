"""A flow's right-hand side with one or two parameters among the unknowns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import compile_expressions

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
        if not isinstance(flow, Flow):
            raise bad("flow", flow, "a Flow", kind=InvalidType)
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
        n = len(flow.states)
        unknowns = [flow.symbols[name] for name in self.names]
        arguments = [*unknowns, *(flow.symbols[name] for name in self.fixed)]
        columns = [flow.jacobian, *([flow.rhs.diff(symbol)] for symbol in unknowns[n:])]
        self.matrix = sympy.Matrix.hstack(columns[0], *(sympy.Matrix(c[0]) for c in columns[1:]))
        self._rhs = compile_expressions(list(flow.rhs), arguments)
        self._jacobian = compile_expressions(list(self.matrix), arguments)

    def function(self, z: np.ndarray) -> np.ndarray:
        """Right-hand side, of shape ``(n,)``."""
        return np.array([float(value) for value in self._rhs(*z, *self.fixed.values())])

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """∂f/∂z, of shape ``(n, n + free)``."""
        values = [float(value) for value in self._jacobian(*z, *self.fixed.values())]
        return np.array(values).reshape(self.matrix.shape)

    def eigenvalues(self, z: np.ndarray) -> np.ndarray:
        """Eigenvalues of ∂f/∂states, by descending real part."""
        n = len(self.flow.states)
        values = np.linalg.eigvals(self.jacobian(z)[:, :n])
        return values[np.argsort(-values.real)]

    def named(self, z: np.ndarray) -> dict[str, float]:
        """``{name: value}`` of states and free parameters."""
        return {name: float(value) for name, value in zip(self.names, z, strict=False)}
