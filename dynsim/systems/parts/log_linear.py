"""The law u + ln|u| = u₀ + ln|u₀| − rate·t, solved for u: Lambert's function in three pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import lambertw, wrightomega

__all__ = ["log_linear"]

_STEPS = 25


def log_linear(t: Any, start: Any, rate: Any) -> Any:
    """u(t) of u' = −rate·u/(1 + u), on the side of u = 0 and u = −1 on which it starts.

    Parameters
    ----------
    t : array
        Flow time; ∞ is allowed.
    start : array
        u₀; 0 and ∞ stay.
    rate : array
        Positive.

    Returns
    -------
    array
        Everything broadcasts.

    References
    ----------
    Corless et al., "On the Lambert W function", Advances in Computational Mathematics 5 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.systems.laws import log_linear
    >>> u = log_linear(3.0, 2.0, 1.0)
    >>> bool(np.isclose(u + np.log(u), 2 + np.log(2) - 3))
    True
    """
    start = np.asarray(start, dtype=float)
    with np.errstate(all="ignore"):
        level = start + np.log(np.abs(start)) - np.asarray(rate, dtype=float) * t
        start, level = np.broadcast_arrays(start, level)
        above = wrightomega(np.where(start > 0, level, 0.0))
        inside = lambertw(-np.exp(np.where((start < 0) & (start >= -1), level, -2.0))).real
        value = np.where(start > 0, above, np.where(start >= -1, inside, _below(level)))
    return np.where((start == 0) | np.isinf(start), start, value)


def _below(level: Any) -> Any:
    """Solve v − ln v = −level for v > 1 and return −v: Newton from above the root, where it is monotone."""
    target = np.maximum(-level, 1.0)
    root = target + np.sqrt(2 * (target - 1))
    finite = np.isfinite(target)
    for _ in range(_STEPS):
        slope = 1 - 1 / root
        step = np.where(finite & (slope > 0), (root - np.log(root) - target) / slope, 0.0)
        root = np.maximum(root - step, 1.0)
    return -np.where(finite, root, np.inf)
