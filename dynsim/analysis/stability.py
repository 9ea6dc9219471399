"""What the eigenvalues of a Jacobian say of an equilibrium."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dynsim.field import Field

__all__ = ["KINDS", "in_order", "kind_of", "transverse_growth"]

KINDS = (
    "stable node",
    "unstable node",
    "stable focus",
    "unstable focus",
    "saddle",
    "centre",
    "non-hyperbolic",
    "line",
)

# Parts of eigenvalues below this, relative to the largest eigenvalue, count as zero.
_ZERO = 1e-9


def kind_of(eigenvalues: Iterable[complex], *, zero: float = _ZERO, scale: float = 0.0) -> str:
    """Classify an isolated equilibrium by the eigenvalues of its Jacobian.

    Parameters
    ----------
    eigenvalues : iterable of complex
    zero : float
        Real and imaginary parts smaller than this, relative to the largest modulus, are zero.
    scale : float
        Modulus to compare with where all eigenvalues are smaller.

    Returns
    -------
    str
        One of `KINDS`, except "line". "centre" is said of purely imaginary pairs only: the linear part
        turns, and whether the nonlinear flow spirals is not decided by it.

    References
    ----------
    Hirsch, Smale & Devaney, Differential Equations, Dynamical Systems, and an Introduction to Chaos (2013).

    Examples
    --------
    >>> kind_of([-1.0, -2.0]), kind_of([0.0873, -0.2]), kind_of([-1 + 2j, -1 - 2j]), kind_of([0.5j, -0.5j])
    ('stable node', 'saddle', 'stable focus', 'centre')
    """
    values = np.asarray(list(eigenvalues), dtype=complex)
    small = zero * max(np.abs(values).max(initial=0.0), scale)
    still, turning = np.abs(values.real) <= small, np.abs(values.imag) > small
    if still.any():
        return "centre" if (still & turning).all() else "non-hyperbolic"
    growing = values.real > 0
    if growing.any() and not growing.all():
        return "saddle"
    return f"{'unstable' if growing.all() else 'stable'} {'focus' if turning.any() else 'node'}"


def transverse_growth(field: Field, points: np.ndarray) -> np.ndarray:
    """Largest real part of an eigenvalue across a curve of equilibria, at `points` of shape ``(size, n)`` on it.

    The eigenvalue nearest to zero is the one along the curve.

    Examples
    --------
    >>> import dynsim
    >>> transverse_growth(dynsim.system("toy").field(), np.array([[0.5, 2.0], [0.0, 0.0]]))  # φ(1−φ) on θ = 0
    array([ 0.25, -2.  ])
    """
    eigenvalues = np.linalg.eigvals(np.moveaxis(field.jacobian(0.0, points), -1, 0))
    across = np.take_along_axis(eigenvalues, np.argsort(np.abs(eigenvalues), axis=1)[:, 1:], axis=1)
    return np.asarray(across.real.max(axis=1, initial=-np.inf))


def in_order(eigenvalues: Iterable[complex]) -> tuple[float | complex, ...]:
    """Eigenvalues by descending real part; real ones as floats.

    Examples
    --------
    >>> in_order([-2 + 0j, 1j, -1j])
    (1j, (-0-1j), -2.0)
    """
    values = sorted(map(complex, eigenvalues), key=lambda value: (-value.real, -value.imag))
    return tuple(value.real if value.imag == 0 else value for value in values)
