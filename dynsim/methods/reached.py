"""Which end a start reaches, by integration, where no rule is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["reached"]


def reached(
    field: Callable[[np.ndarray], np.ndarray], start: np.ndarray, alive: np.ndarray, weight: int, scale: float
) -> bool | None:
    """Whether the run from `start` ends at the living state `alive`; None if it is undecided.

    Parameters
    ----------
    field : callable
        Time derivative of the state.
    start, alive : array
        The start and the stable living state.
    weight : int
        Position of the encoder's weight in the state.
    scale : float
        A rate per unit of time; the run is followed for 10⁵ of its inverse at most.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.reached import reached
    >>> reached(lambda y: y * (y - 0.1) * (1 - y), np.array([0.11]), np.array([1.0]), 0, 0.1)
    True
    """
    from scipy.integrate import solve_ivp

    y, span = np.asarray(start, dtype=float), 20.0 / scale
    sides = np.sign(y[weight])
    for _ in range(12):
        run = solve_ivp(lambda _t, x: field(x), (0.0, span), y, method="LSODA", rtol=1e-9, atol=1e-14)
        y = run.y[:, -1]
        if not np.isfinite(y).all():
            return None
        if np.abs(y - alive).max() < 1e-3 * np.abs(alive).max():
            return True
        if abs(y[weight]) < 1e-4 * abs(alive[weight]) or (sides and np.sign(y[weight]) == -sides):
            return False
        span *= 2
    return None
