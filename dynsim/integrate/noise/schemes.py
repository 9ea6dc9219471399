"""One step of a stochastic differential equation dy = a·dt + Σ_j b_j·dW_j, all paths at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

__all__ = ["Coefficient", "euler_maruyama", "weak_second_order"]

Coefficient = Callable[[float, np.ndarray], np.ndarray]
"""``a(t, y)`` of shape ``(size, paths)``, ``b(t, y)`` of shape ``(size, processes, paths)``."""


def euler_maruyama(a: Coefficient, b: Coefficient, t: float, y: np.ndarray, dt: float, dw: np.ndarray) -> np.ndarray:
    """Step of weak order 1; `dw` are the increments, of shape ``(processes, paths)``.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.integrate.noise.schemes import euler_maruyama
    >>> euler_maruyama(lambda t, y: -y, lambda t, y: y[:, None], 0.0, np.ones((1, 2)), 0.1, np.array([[0.3, -0.3]]))
    array([[1.2, 0.6]])
    """
    return np.asarray(y + a(t, y) * dt + _sum(b(t, y), dw))


def weak_second_order(
    a: Coefficient, b: Coefficient, t: float, y: np.ndarray, dt: float, dw: np.ndarray, signs: Any = ()
) -> np.ndarray:
    """Platen's explicit step of weak order 2, for processes that need not commute.

    Parameters
    ----------
    a, b : callable
    dw : array of shape ``(processes, paths)``
        Increments whose moments up to the fifth are those of √dt·N(0, 1).
    signs : array of shape ``(pairs of processes, paths)``
        ±1 with equal probabilities, for every pair j < k in the order of `itertools.combinations`.

    References
    ----------
    Kloeden & Platen, Numerical Solution of Stochastic Differential Equations (1992), (15.1.3).
    """
    root = np.sqrt(dt)
    drift, noise = a(t, y), b(t, y)
    count = len(dw)
    ahead = y + drift * dt
    result = y + (a(t + dt, ahead + _sum(noise, dw)) + drift) * (dt / 2) + _sum(noise, dw) / 2
    for j in range(count):
        shift = noise[:, j] * root
        up, down = b(t + dt, ahead + shift)[:, j], b(t + dt, ahead - shift)[:, j]
        result += ((up + down) * dw[j] + (up - down) * ((dw[j] ** 2 - dt) / root)) / 4
    if count == 1:
        return np.asarray(result)
    mixed = {}
    for (j, k), sign in zip(combinations(range(count), 2), signs, strict=True):
        mixed[j, k], mixed[k, j] = sign * dt, -sign * dt
    for r in range(count):
        shift = noise[:, r] * root
        up, down = b(t, y + shift), b(t, y - shift)
        for j in range(count):
            if j != r:
                bend = (up[:, j] + down[:, j] - 2 * noise[:, j]) * dw[j]
                twist = (up[:, j] - down[:, j]) * ((dw[j] * dw[r] + mixed[r, j]) / root)
                result += (bend + twist) / 4
    return np.asarray(result)


def _sum(b: np.ndarray, dw: np.ndarray) -> np.ndarray:
    return sum(b[:, j] * dw[j] for j in range(len(dw)))
