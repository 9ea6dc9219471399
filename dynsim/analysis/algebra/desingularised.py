"""A planar field with the factor divided out that its lines of equilibria have in common.

If both components vanish on a line they share a factor g, and f = g·F. F has the same orbits, but runs through
the line instead of stopping there: what was a degenerate point on the line is a regular point or a plain saddle
of F, and the orbits that end in it are found by integrating F.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy

from dynsim.analysis.algebra.polynomial_field import polynomial_field
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import VectorFunction

__all__ = ["Desingularised", "desingularised"]


@dataclass(frozen=True)
class Desingularised:
    """The field ``F = f / g`` and the common factor `g`, as functions of the state vector."""

    field: Callable[[np.ndarray], np.ndarray]
    jacobian: Callable[[np.ndarray], np.ndarray]
    factor: Callable[[np.ndarray], float]


def desingularised(flow: Flow) -> Desingularised | None:
    """Divide the common factor out of a flow without parameters; None if there is none.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> from dynsim.analysis.algebra.desingularised import desingularised
    >>> smooth = desingularised(dynsim.system("toy").fix(alpha=1))
    >>> (smooth.factor(np.array([0.6, 0.1])) * smooth.field(np.array([0.6, 0.1]))).round(9)
    array([0.004, 0.024])
    >>> abs(smooth.field(np.array([1.0, 0.0])))
    array([0., 1.])
    """
    polynomials = polynomial_field(flow)
    numerators = polynomials.numerators[: len(flow.states)]
    common = numerators[0]
    for numerator in numerators[1:]:
        common = common.gcd(numerator)
    if common.is_ground or not common:
        return None
    quotients = [polynomials.expression(numerator.exquo(common)) for numerator in numerators]
    factor = polynomials.expression(common) / polynomials.expression(polynomials.denominator)
    symbols = [flow.symbols[name] for name in flow.states]
    jacobian = sympy.Matrix(quotients).jacobian(symbols)
    values, n = VectorFunction([*quotients, *jacobian, factor], symbols), len(symbols)
    return Desingularised(
        lambda y: values(0.0, y)[:n],
        lambda y: values(0.0, y)[n:-1].reshape(n, n),
        lambda y: float(values(0.0, y)[-1]),
    )
