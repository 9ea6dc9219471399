"""How far a run is from the slow manifold: from where the fast block would rest if the slow one stood still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dynsim.field import Field

__all__ = ["nullcline", "slow_manifold_distance"]

_ITERATIONS = 50
_TOLERANCE = 1e-10


def slow_manifold_distance(field: Field, y: np.ndarray, fast: Sequence[int]) -> dict[str, Any]:
    """Distance of states to the nullcline of the fast block, absolute and relative.

    Parameters
    ----------
    field : Field
        With a Jacobian.
    y : array of shape ``(size, n)``
    fast : sequence of int
        Rows of the fast block.

    Returns
    -------
    dict
        `slow_manifold_distance`, ``‖φ − φ*‖``, and `slow_manifold_distance_relative`, over ``‖φ*‖``: arrays
        of shape ``(n,)``, NaN where no φ* is found. For a network's predictor the latter is the optimality gap.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> from dynsim.analysis.numerics.slow_manifold import slow_manifold_distance
    >>> found = slow_manifold_distance(dynsim.system("toy").field(), np.array([[0.6], [0.1]]), [0])
    >>> found["slow_manifold_distance"].round(9)  # φ* = 1
    array([0.4])
    """
    rows = list(fast)
    rest = nullcline(field, y, rows)
    distance, size = np.linalg.norm(y[rows] - rest, axis=0), np.linalg.norm(rest, axis=0)
    relative = np.full_like(distance, np.nan)
    np.divide(distance, size, out=relative, where=size > 0)
    return {"slow_manifold_distance": distance, "slow_manifold_distance_relative": relative}


def nullcline(field: Field, y: np.ndarray, rows: list[int]) -> np.ndarray:
    """Values of the fast block at which its velocity vanishes, the rest of `y` held: Newton's method from `y`.

    Returns
    -------
    array of shape ``(len(rows), n)``
        NaN where the fast block has no isolated rest, or none is reached.
    """
    state = np.array(y, dtype=float)
    block = np.ix_(rows, rows)
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            jacobian = np.moveaxis(field.jacobian(0.0, state)[block], -1, 0)
            velocity = field.f(0.0, state)[rows]
            solvable = np.isfinite(velocity).all(axis=0) & np.isfinite(jacobian).all(axis=(1, 2))
            solvable &= np.abs(np.linalg.det(np.where(solvable[:, None, None], jacobian, 0.0))) > 0
            step = np.full(velocity.shape, np.nan)
            step[:, solvable] = np.linalg.solve(jacobian[solvable], velocity[:, solvable].T[..., None])[..., 0].T
            state[rows] -= step
            if not (np.abs(step) > _TOLERANCE * (1 + np.abs(state[rows]))).any():
                break
    arrived = (np.abs(step) <= 1e-6 * (1 + np.abs(state[rows]))).all(axis=0)
    return np.where(arrived, state[rows], np.nan)
